import type { JobResult } from "../../shared/api/jobs.ts";
import { isFinal, type JobStatus } from "../../shared/jobs/decide.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import { type JobSpec, specDigest } from "../../shared/jobs/spec.ts";
import { hasChanged } from "./changes.ts";
import { IS_USEFUL, type JobRecord } from "./jobs.ts";

export interface NewJob {
  readonly id: JobId;
  readonly spec: JobSpec;
  readonly status: JobStatus;
  readonly parent: JobId | null;
  readonly member: number | null;
  readonly createdBy: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/**
 * Enters a job.
 * @param deduplicate not where one of the same spec is under way or has succeeded
 * @returns false where it was not entered: because of that, or because its parent has this member already
 */
export function insertJob(
  catalog: D1Database,
  { id, spec, status, parent, member, createdBy, at }: NewJob,
  deduplicate: boolean,
): Promise<boolean> {
  const { resources } = spec;
  const digest = specDigest(spec);
  const values = {
    id,
    kind: spec.kind,
    spec: JSON.stringify(spec),
    spec_digest: digest,
    labels: JSON.stringify(spec.labels),
    parent,
    member,
    backend: resources.backend === "auto" ? null : resources.backend,
    memory_bytes: resources.memoryBytes,
    needs: JSON.stringify(resources.labels),
    timeout_ms: spec.timeoutSeconds * 1000,
    state: status.state,
    attempt: status.attempt,
    failures: status.failures,
    not_before: status.notBefore,
    queue_until: status.queueUntil,
    log_bytes: 0,
    log_received: 0,
    callback_state: spec.callback === undefined ? null : "pending",
    changes: JSON.stringify([changeOf({ number: 1, at, status, agent: null, message: null })]),
    revision: 1,
    created_at: at,
    created_by: createdBy,
  };
  const columns = Object.keys(values);
  const condition = deduplicate
    ? `WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE spec_digest = ? AND ${IS_USEFUL})`
    : "WHERE true";
  return hasChanged(
    catalog
      .prepare(
        `INSERT INTO jobs (${columns.join(", ")}) SELECT ${columns.map(() => "?").join(", ")} ${condition}
         ON CONFLICT DO NOTHING`,
      )
      .bind(...Object.values(values), ...(deduplicate ? [digest] : [])),
  );
}

/** What goes along with a change of a job's status. */
export interface StatusChange {
  readonly status: JobStatus;
  readonly at: number;
  /** Left out: as it was. */
  readonly message?: string | null | undefined;
  readonly result?: JobResult | undefined;
  /** Whoever has the job has it no longer. */
  readonly endsLease: boolean;
  /** The lease whose holder says so. */
  readonly endedBy?: string | undefined;
}

/**
 * Writes a job's new status, if the job is as it was seen.
 * @returns false where it is not
 */
export function writeStatus(catalog: D1Database, seen: JobRecord, change: StatusChange): Promise<boolean> {
  const { status, at, endsLease } = change;
  const message = change.message === undefined ? seen.message : change.message;
  const entry = changeOf({ number: 0, at, status, agent: seen.agent, message });
  const before = seen.status;
  const isTold = before.state !== status.state || before.attempt !== status.attempt || before.stop !== status.stop;
  return hasChanged(
    catalog
      .prepare(
        `UPDATE jobs SET state = ?3, attempt = ?4, failures = ?5, stop = ?6, reason = ?7, exit_code = ?8,
           lease_expires_at = ?9, deadline_at = ?10, stop_by = ?11, not_before = ?12, queue_until = ?13, message = ?14,
           lease = CASE WHEN ?15 THEN NULL ELSE lease END, ended_by = COALESCE(?16, ended_by),
           result = COALESCE(?17, result), finished_at = COALESCE(?18, finished_at),
           changes = CASE WHEN ?19 THEN ${appended("?20")} ELSE changes END, revision = revision + 1
         WHERE id = ?1 AND revision = ?2`,
      )
      .bind(
        seen.id,
        seen.revision,
        status.state,
        status.attempt,
        status.failures,
        status.stop,
        status.reason,
        status.exitCode,
        status.leaseExpiresAt,
        status.deadlineAt,
        status.stopBy,
        status.notBefore,
        status.queueUntil,
        message,
        endsLease ? 1 : 0,
        change.endedBy ?? null,
        change.result === undefined ? null : JSON.stringify(change.result),
        isFinal(status.state) ? at : null,
        isTold ? 1 : 0,
        JSON.stringify(entry),
      ),
  );
}

/** SQL of the history with one entry more, whose number is its place. */
export function appended(entry: string): string {
  return `json_insert(changes, '$[#]', json_set(${entry}, '$.number', json_array_length(changes) + 1))`;
}

/** What the history says of a status. */
export function changeOf({
  number,
  at,
  status,
  agent,
  message,
}: {
  readonly number: number;
  readonly at: number;
  readonly status: Pick<JobStatus, "state" | "attempt" | "stop" | "reason">;
  readonly agent: string | null;
  readonly message: string | null;
}) {
  const { state, attempt, stop } = status;
  // What was asked to stop may have been done just before: how it ended counts then.
  const reason = isFinal(state) ? status.reason : (stop ?? status.reason);
  return { number, at: new Date(at).toISOString(), state, attempt, reason, agent, message };
}
