import { SEAM } from "../../shared/jobs/log-text.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";

/** A piece of a log: one character for each byte. */
export interface LogPiece {
  /** Of its first byte, in the whole log. */
  readonly start: number;
  readonly data: string;
}

/** The end of a log, and the chunk that it is in. */
export async function lastChunk(catalog: D1Database, job: JobId, end: number): Promise<LogPiece | undefined> {
  const row = await catalog
    .prepare("SELECT start, data FROM job_log WHERE job = ? AND start < ? ORDER BY start DESC LIMIT 1")
    .bind(job, end)
    .first<LogPiece>();
  return row ?? undefined;
}

export interface LogAppend {
  readonly job: JobId;
  readonly lease: string;
  readonly attempt: number;
  /** How much of the log there is, and how much of it the attempt has sent: as it was seen. */
  readonly logBytes: number;
  readonly logReceived: number;
  /** What is stored, and how many bytes of what the attempt sent that is. */
  readonly data: string;
  readonly received: number;
  /** The last chunk as it shall be from now on, where something in it was only now seen to be secret. */
  readonly amended: LogPiece | undefined;
}

/**
 * Appends to a log, if it is as it was seen and the lease holds.
 * @returns false where that is not so
 */
export async function appendLog(catalog: D1Database, append: LogAppend): Promise<boolean> {
  const { job, lease, attempt, logBytes, logReceived, data, received, amended } = append;
  const isAsSeen = "id = ?1 AND lease = ?2 AND log_bytes = ?3 AND log_received = ?4 AND state IN ('leased', 'running')";
  const seen = [job, lease, logBytes, logReceived] as const;
  const statements = [
    ...(data === ""
      ? []
      : [
          catalog
            .prepare(
              `INSERT INTO job_log (job, start, attempt, bytes, data)
               SELECT ?1, ?3, ?5, ?6, ?7 FROM jobs WHERE ${isAsSeen}`,
            )
            .bind(...seen, attempt, data.length, data),
        ]),
    ...(amended === undefined
      ? []
      : [
          catalog
            .prepare(
              `UPDATE job_log SET data = ?6 WHERE job = ?1 AND start = ?5 AND length(data) = length(?6)
               AND EXISTS (SELECT 1 FROM jobs WHERE ${isAsSeen})`,
            )
            .bind(...seen, amended.start, amended.data),
        ]),
    catalog
      .prepare(`UPDATE jobs SET log_bytes = log_bytes + ?5, log_received = log_received + ?6 WHERE ${isAsSeen}`)
      .bind(...seen, data.length, received),
  ];
  const results = await catalog.batch(statements);
  return (results.at(-1)?.meta.changes ?? 0) > 0;
}

/** A log from some byte on, as far as some chunks go. */
export async function readLog(catalog: D1Database, job: JobId, offset: number, chunks: number): Promise<LogPiece> {
  const { results } = await catalog
    .prepare("SELECT start, data FROM job_log WHERE job = ?1 AND start + bytes > ?2 ORDER BY start LIMIT ?3")
    .bind(job, offset, chunks)
    .all<LogPiece>();
  const [first] = results;
  const data = results.map((chunk) => chunk.data).join("");
  const skipped = first === undefined ? 0 : Math.max(0, offset - first.start);
  return { start: offset, data: data.slice(skipped) };
}

/** The end of a chunk that a secret may reach over. */
export function seamOf(chunk: LogPiece | undefined): string {
  return chunk?.data.slice(-SEAM) ?? "";
}
