import type { JobChange, JobProgress, JobQuery, JobResult } from "../../shared/api/jobs.ts";
import type { Page } from "../../shared/api/paging.ts";
import type { JobStatus, StopReason } from "../../shared/jobs/decide.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import type { JobReason, JobState } from "../../shared/jobs/reasons.ts";
import type { JobKind, JobSpec } from "../../shared/jobs/spec.ts";
import { Problem } from "../../shared/problem.ts";
import { Conditions } from "./conditions.ts";
import { pageFromRows } from "./paging.ts";

/** A job and everything that is known of it. Times are milliseconds since 1970. */
export interface JobRecord {
  readonly id: JobId;
  readonly spec: JobSpec;
  readonly specDigest: string;
  readonly parent: JobId | null;
  readonly member: number | null;
  readonly status: JobStatus;
  readonly message: string | null;
  readonly agent: string | null;
  /** SHA-256 of the token of whoever has the job. */
  readonly lease: string | null;
  /** The lease whose holder reported the end of the last attempt. */
  readonly endedBy: string | null;
  readonly progress: JobProgress | null;
  readonly result: JobResult | null;
  readonly logBytes: number;
  /** Bytes of log that the current attempt has sent. */
  readonly logReceived: number;
  readonly callback: {
    readonly state: "pending" | "sent" | "failed";
    readonly status: number | null;
    readonly at: number | null;
  } | null;
  readonly changes: readonly JobChange[];
  readonly revision: number;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

/** As the table has it. */
export interface JobRow {
  seq: number;
  id: string;
  kind: JobKind;
  spec: string;
  spec_digest: string;
  parent: string | null;
  member: number | null;
  state: JobState;
  attempt: number;
  failures: number;
  stop: StopReason | null;
  reason: JobReason | null;
  exit_code: number | null;
  message: string | null;
  agent: string | null;
  lease: string | null;
  ended_by: string | null;
  lease_expires_at: number | null;
  deadline_at: number | null;
  stop_by: number | null;
  not_before: number;
  queue_until: number;
  progress: string | null;
  result: string | null;
  log_bytes: number;
  log_received: number;
  callback_state: "pending" | "sent" | "failed" | null;
  callback_status: number | null;
  callback_at: number | null;
  changes: string;
  revision: number;
  created_at: number;
  created_by: string;
  started_at: number | null;
  finished_at: number | null;
}

export async function findJob(catalog: D1Database, id: JobId): Promise<JobRecord | undefined> {
  const row = await catalog.prepare("SELECT * FROM jobs WHERE id = ?").bind(id).first<JobRow>();
  return row === null ? undefined : recordOfJob(row);
}

/** @throws Problem `job-not-found` */
export async function requireJob(catalog: D1Database, id: JobId): Promise<JobRecord> {
  const job = await findJob(catalog, id);
  if (job === undefined) throw new Problem("job-not-found", `There is no job ${id}.`, { job: id });
  return job;
}

/** Newest first. */
export async function listJobs(
  catalog: D1Database,
  { limit, cursor, state, kind, label, parent }: JobQuery,
): Promise<Page<JobRecord>> {
  const [name, ...rest] = label?.split("=") ?? [];
  const value = label === undefined ? undefined : rest.join("=");
  const conditions = new Conditions()
    .before("seq", cursor)
    .add("state = ?", state)
    .add("kind = ?", kind)
    .add("EXISTS (SELECT 1 FROM json_each(labels) WHERE key = ? AND value = ?)", name, value)
    .add("parent = ?", parent);
  const { results } = await catalog
    .prepare(`SELECT * FROM jobs WHERE ${conditions.text} ORDER BY seq DESC LIMIT ?`)
    .bind(...conditions.values, limit + 1)
    .all<JobRow>();
  return pageFromRows(results, limit, recordOfJob);
}

/** Jobs that are part of one, by member. */
export async function childrenOf(catalog: D1Database, parent: JobId): Promise<JobRecord[]> {
  const { results } = await catalog
    .prepare("SELECT * FROM jobs WHERE parent = ? ORDER BY member")
    .bind(parent)
    .all<JobRow>();
  return results.map(recordOfJob);
}

/** A job of the same spec that is under way or has succeeded; the latest. */
export async function findDuplicate(catalog: D1Database, digest: string): Promise<JobRecord | undefined> {
  const row = await catalog
    .prepare(`SELECT * FROM jobs WHERE spec_digest = ? AND ${IS_USEFUL} ORDER BY seq DESC LIMIT 1`)
    .bind(digest)
    .first<JobRow>();
  return row === null ? undefined : recordOfJob(row);
}

/** Nobody needs another job like it. Members of pipelines are their pipeline's affair: it cancels them. */
export const IS_USEFUL = "stop IS NULL AND parent IS NULL AND state IN ('queued', 'leased', 'running', 'succeeded')";

export function recordOfJob(row: JobRow): JobRecord {
  return {
    id: row.id as JobId,
    // Checked when it was entered.
    spec: JSON.parse(row.spec) as JobSpec,
    specDigest: row.spec_digest,
    parent: row.parent as JobId | null,
    member: row.member,
    status: {
      state: row.state,
      attempt: row.attempt,
      failures: row.failures,
      stop: row.stop,
      reason: row.reason,
      exitCode: row.exit_code,
      leaseExpiresAt: row.lease_expires_at,
      deadlineAt: row.deadline_at,
      stopBy: row.stop_by,
      notBefore: row.not_before,
      queueUntil: row.queue_until,
    },
    message: row.message,
    agent: row.agent,
    lease: row.lease,
    endedBy: row.ended_by,
    progress: row.progress === null ? null : (JSON.parse(row.progress) as JobProgress),
    result: row.result === null ? null : (JSON.parse(row.result) as JobResult),
    logBytes: row.log_bytes,
    logReceived: row.log_received,
    callback:
      row.callback_state === null
        ? null
        : { state: row.callback_state, status: row.callback_status, at: row.callback_at },
    changes: JSON.parse(row.changes) as JobChange[],
    revision: row.revision,
    createdAt: row.created_at,
    createdBy: row.created_by,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}
