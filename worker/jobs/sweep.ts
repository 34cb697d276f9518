import { WORKFLOW_KINDS } from "../../shared/jobs/spec.ts";
import { type JobRecord, type JobRow, recordOfJob } from "../catalog/jobs.ts";
import type { AppContext, Environment } from "../environment.ts";
import { seeThrough } from "../routes/body.ts";
import { applyEvent, refreshJob } from "./apply.ts";
import { CALLBACKS_AT_ONCE, sendCallbacks } from "./callbacks.ts";
import type { JobSources } from "./create.ts";
import { startWorkflowJob } from "./start-workflow.ts";

/** Jobs at a time; what is left is found the next time. */
const PAGE = 50;

/** A callback that is pending so long after the end was forgotten by whoever saw the end. */
const CALLBACK_DELAY_MS = 60_000;

/** Members that nobody asked to stop of a pipeline that is over: whoever ended it died, or posted them meanwhile. */
const ORPHANS = ["state = 'queued'", "state IN ('leased', 'running')"]
  .map(
    // Each by an index of its own.
    (isUnderWay) => `SELECT * FROM jobs WHERE ${isUnderWay} AND stop IS NULL AND EXISTS (
      SELECT 1 FROM jobs AS pipeline WHERE pipeline.id = jobs.parent
        AND pipeline.state IN ('succeeded', 'failed', 'cancelled', 'expired'))`,
  )
  .join(" UNION ALL ");

/**
 * What time does to jobs: leases end, attempts take too long, nobody comes; members end with their pipeline; what the
 * deployment does itself and waits for another attempt is begun. Whoever waits is told.
 * @returns how many jobs something was due for
 */
export async function sweepJobs(environment: Environment, sources: JobSources): Promise<number> {
  const { count, untold } = await moveJobs(environment, sources);
  await sendCallbacks(environment, untold, sources.now);
  return count;
}

/** @returns for how many jobs something was due, and those that have ended and whose callbacks are to be sent */
async function moveJobs(
  environment: Environment,
  { now, randomBytes }: JobSources,
): Promise<{ readonly count: number; readonly untold: readonly JobRecord[] }> {
  const { CATALOG } = environment;
  const at = now().getTime();
  const kinds = WORKFLOW_KINDS.map((kind) => `'${kind}'`).join(", ");
  const found = await CATALOG.batch<JobRow>([
    CATALOG.prepare(`${ORPHANS} LIMIT ?`).bind(PAGE),
    CATALOG.prepare("SELECT * FROM jobs WHERE state = 'queued' AND queue_until <= ? LIMIT ?").bind(at, PAGE),
    CATALOG.prepare(
      `SELECT * FROM jobs WHERE state IN ('leased', 'running')
       AND (lease_expires_at <= ?1 OR (stop IS NULL AND deadline_at <= ?1) OR stop_by <= ?1) LIMIT ?2`,
    ).bind(at, PAGE),
    CATALOG.prepare(
      `SELECT * FROM jobs WHERE state = 'queued' AND kind IN (${kinds}) AND not_before <= ?1 AND queue_until > ?1 LIMIT ?2`,
    ).bind(at, PAGE),
    CATALOG.prepare("SELECT * FROM jobs WHERE callback_state = 'pending' AND finished_at <= ? LIMIT ?").bind(
      at - CALLBACK_DELAY_MS,
      PAGE,
    ),
  ]);
  const [orphans = [], waited = [], active = [], idle = [], forgotten = []] = found.map(({ results }) =>
    results.map(recordOfJob),
  );
  const untold = [...forgotten];
  const tell = (job: JobRecord) => void untold.push(job);
  for (const job of orphans) {
    await applyEvent(environment, job, { kind: "cancel", reason: "parent-ended" }, now, { tell });
  }
  for (const job of [...waited, ...active]) await refreshJob(environment, job, now, tell);
  for (const job of idle) await startWorkflowJob(environment, job, { now, randomBytes, tell });
  return { count: found.reduce((count, { results }) => count + results.length, 0), untold };
}

/** Requests sweep too, so that jobs move without a schedule; one isolate not more often than this. */
const EVERY_MS = 1_000;

/** Of this isolate; by the catalog, since tests have several. */
const lastSweeps = new WeakMap<object, number>();

/**
 * Sweeps unless that was done just now. The request does not wait for callbacks: whoever takes a job would give up, and
 * have it all the same. As many are sent as go at once, since little time is left after an answer; the next sweeps send
 * the others.
 */
export async function sweepNowAndThen(c: AppContext, sources: JobSources): Promise<void> {
  const at = sources.now().getTime();
  const last = lastSweeps.get(c.env.CATALOG);
  // A clock that was set back does not stop it.
  if (last !== undefined && Math.abs(at - last) < EVERY_MS) return;
  lastSweeps.set(c.env.CATALOG, at);
  const sweep = async () => {
    const { untold } = await moveJobs(c.env, sources);
    c.executionCtx.waitUntil(sendCallbacks(c.env, untold.slice(0, CALLBACKS_AT_ONCE), sources.now));
  };
  await seeThrough(c, sweep());
}
