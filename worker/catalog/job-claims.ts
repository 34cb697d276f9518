import { AGENT_KINDS } from "../../shared/jobs/spec.ts";
import type { JobProgress, ParsedClaim } from "../../shared/api/jobs.ts";
import type { StopReason } from "../../shared/jobs/decide.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import { appended } from "./job-changes.ts";
import { type JobRecord, type JobRow, recordOfJob } from "./jobs.ts";

/** An agent as it is seen now. */
const AGENT_GRAIN_MS = 10_000;

/** What an agent of these capabilities could do; parameters are named after them. */
const FITS = `kind IN (SELECT value FROM json_each(?kinds)) AND memory_bytes <= ?memory
  AND (backend IS NULL OR backend IN (SELECT value FROM json_each(?backends)))
  AND (needs = '[]' OR NOT EXISTS (SELECT 1 FROM json_each(needs) AS need
    WHERE need.value NOT IN (SELECT value FROM json_each(?labels))))`;

export interface Claim extends ParsedClaim {
  /** SHA-256 of the lease's token. */
  readonly lease: string;
  readonly leaseMs: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/**
 * Gives the longest waiting job that fits to an agent: one statement, so of many who ask at once each gets another.
 * What it does is what `decide` makes of a claim.
 */
export async function claimJob(catalog: D1Database, claim: Claim): Promise<JobRecord | undefined> {
  const { agent, capabilities, at } = claim;
  const { kinds, backends, memoryBytes, labels } = capabilities;
  const named = { kinds: "?5", memory: "?6", backends: "?7", labels: "?8" };
  const fits = FITS.replaceAll(/\?(kinds|memory|backends|labels)/g, (_, name: keyof typeof named) => named[name]);
  const [claimed] = await catalog.batch<JobRow>([
    catalog
      .prepare(
        `UPDATE jobs SET ${LEASED} WHERE id = (
           SELECT id FROM jobs INDEXED BY jobs_waiting WHERE state = 'queued' AND not_before <= ?1 AND queue_until > ?1 AND ${fits}
           ORDER BY seq LIMIT 1
         ) RETURNING *`,
      )
      .bind(
        at,
        at + claim.leaseMs,
        agent,
        claim.lease,
        JSON.stringify(kinds),
        memoryBytes,
        JSON.stringify(backends),
        JSON.stringify(labels),
      ),
    catalog
      .prepare(
        `INSERT INTO job_agents (name, labels, backends, memory_bytes, seen_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (name) DO UPDATE SET labels = ?2, backends = ?3, memory_bytes = ?4, seen_at = ?5
         WHERE seen_at < ?6 OR labels <> ?2 OR backends <> ?3 OR memory_bytes <> ?4`,
      )
      .bind(agent, JSON.stringify(labels), JSON.stringify(backends), memoryBytes, at, at - AGENT_GRAIN_MS),
  ]);
  const row = claimed?.results[0];
  return row === undefined ? undefined : recordOfJob(row);
}

/** Gives one job, which waits, to one of the deployment's own Workflows. */
export async function claimForWorkflow(
  catalog: D1Database,
  id: JobId,
  { lease, leaseMs, at }: Pick<Claim, "lease" | "leaseMs" | "at">,
): Promise<JobRecord | undefined> {
  const row = await catalog
    .prepare(
      `UPDATE jobs SET ${LEASED} WHERE id = ?5 AND state = 'queued' AND not_before <= ?1 AND queue_until > ?1
       RETURNING *`,
    )
    .bind(at, at + leaseMs, "workflow", lease, id)
    .first<JobRow>();
  return row === null ? undefined : recordOfJob(row);
}

/** ?1 the time, ?2 the lease's end, ?3 the agent, ?4 its lease. */
const LEASED = `state = 'leased', attempt = attempt + 1, exit_code = NULL, agent = ?3, lease = ?4,
  lease_expires_at = ?2, deadline_at = COALESCE(deadline_at, ?1 + timeout_ms), started_at = ?1, heartbeat_at = ?1, log_received = 0,
  progress = NULL, changes = ${appended(entryOf("leased", "attempt + 1", "?3"))}, revision = revision + 1`;

/** What {@link decide} makes of a sign of life; the rest is as it was. */
export interface Beat {
  readonly stop: StopReason | null;
  readonly leaseExpiresAt: number;
  readonly deadlineAt: number;
}

/**
 * Notes a sign of life of whoever has a job.
 * @returns undefined where the lease is not the job's, or not any longer
 */
export async function touchJob(
  catalog: D1Database,
  id: JobId,
  beat: {
    readonly lease: string;
    readonly leaseMs: number;
    readonly at: number;
    readonly progress?: JobProgress | undefined;
  },
): Promise<Beat | undefined> {
  const row = await catalog
    .prepare(
      `UPDATE jobs SET state = 'running', lease_expires_at = MAX(lease_expires_at, ?3), heartbeat_at = ?4,
         progress = COALESCE(?5, progress), revision = revision + 1,
         changes = CASE state WHEN 'leased' THEN ${appended(entryOf("running", "attempt", "agent", "?4"))} ELSE changes END
       WHERE id = ?1 AND lease = ?2 AND state IN ('leased', 'running')
       RETURNING stop, lease_expires_at, deadline_at`,
    )
    .bind(
      id,
      beat.lease,
      beat.at + beat.leaseMs,
      beat.at,
      beat.progress === undefined ? null : JSON.stringify(beat.progress),
    )
    .first<Pick<JobRow, "stop" | "lease_expires_at" | "deadline_at">>();
  if (row === null) return undefined;
  return { stop: row.stop, leaseExpiresAt: row.lease_expires_at ?? 0, deadlineAt: row.deadline_at ?? 0 };
}

/** SQL of an entry of the history, as `changeOf` makes them. */
function entryOf(state: string, attempt: string, agent: string, at = "?1"): string {
  const time = `strftime('%Y-%m-%dT%H:%M:%S', ${at} / 1000, 'unixepoch') || printf('.%03dZ', ${at} % 1000)`;
  return `json_object('number', 0, 'at', ${time}, 'state', '${state}', 'attempt', ${attempt},
    'reason', COALESCE(stop, reason), 'agent', ${agent}, 'message', message)`;
}

/** How much waits for agents of these labels and this backend; for all of them where they are left out. */
export async function queueFacts(
  catalog: D1Database,
  { labels, backend, at }: { labels: readonly string[] | undefined; backend: string | undefined; at: number },
) {
  const able = `kind IN (${AGENT_KINDS.map((kind) => `'${kind}'`).join(", ")})
    AND (?1 IS NULL OR needs = '[]' OR NOT EXISTS (SELECT 1 FROM json_each(needs) AS need
      WHERE need.value NOT IN (SELECT value FROM json_each(?1))))
    AND (?2 IS NULL OR backend IS NULL OR backend = ?2)`;
  const given = [labels === undefined ? null : JSON.stringify(labels), backend ?? null];
  const [waiting, active, agents] = await catalog.batch<{ count: number; oldest: number | null }>([
    catalog
      .prepare(`SELECT count(*) AS count, min(created_at) AS oldest FROM jobs WHERE state = 'queued' AND ${able}`)
      .bind(...given),
    catalog
      .prepare(`SELECT count(*) AS count, NULL AS oldest FROM jobs WHERE state IN ('leased', 'running') AND ${able}`)
      .bind(...given),
    catalog
      .prepare(
        `SELECT count(*) AS count, NULL AS oldest FROM (
           SELECT name FROM job_agents WHERE seen_at > ?3
             AND (?1 IS NULL OR NOT EXISTS (SELECT 1 FROM json_each(?1) AS label
               WHERE label.value NOT IN (SELECT value FROM json_each(labels))))
             AND (?2 IS NULL OR ?2 IN (SELECT value FROM json_each(backends)))
           UNION SELECT agent FROM jobs WHERE state IN ('leased', 'running') AND heartbeat_at > ?3 AND ${able})`,
      )
      .bind(...given, at - AGENT_MEMORY_MS),
  ]);
  const oldest = waiting?.results[0]?.oldest ?? null;
  return {
    queued: waiting?.results[0]?.count ?? 0,
    running: active?.results[0]?.count ?? 0,
    agents: agents?.results[0]?.count ?? 0,
    oldestQueuedSeconds: oldest === null ? 0 : Math.max(0, (at - oldest) / 1000),
  };
}

/** An agent that was not seen for longer is none. */
const AGENT_MEMORY_MS = 300_000;
