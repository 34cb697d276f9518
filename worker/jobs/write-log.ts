import { type LogWriteAnswer, MOST_LOG_BYTES, MOST_LOG_CHUNK_BYTES } from "../../shared/api/jobs.ts";
import { maskSecrets, textOfBytes } from "../../shared/jobs/log-text.ts";
import { Problem } from "../../shared/problem.ts";
import { appendLog, lastChunk, seamOf } from "../catalog/job-log.ts";
import { findJob } from "../catalog/jobs.ts";
import type { Environment } from "../environment.ts";
import { type HeldJob, leaseLost } from "./lease.ts";

const ATTEMPTS = 10;

const FULL = `\n[edgefuse: the log is full at ${MOST_LOG_BYTES} bytes; what follows is not kept]\n`;

/** What can be kept of a log that grows beyond the limit. */
const ROOM = MOST_LOG_BYTES - FULL.length;

/**
 * Appends a chunk to a job's log. A chunk that was sent before, all of it or its beginning, is not stored twice. What looks
 * like a secret is masked, also where it began in the chunk before.
 * @param offset of the chunk in what this attempt has sent
 * @throws Problem `log-gap` with `next`: where the log of the attempt ends; `payload-too-large`, `lease-lost`
 */
export async function writeLog(
  { CATALOG }: Pick<Environment, "CATALOG">,
  { job, lease, attempt, record }: HeldJob,
  offset: number,
  chunk: Uint8Array,
): Promise<LogWriteAnswer> {
  if (chunk.length > MOST_LOG_CHUNK_BYTES) {
    throw new Problem("payload-too-large", `A chunk of a log has at most ${MOST_LOG_CHUNK_BYTES} bytes.`, {
      limit: MOST_LOG_CHUNK_BYTES,
    });
  }
  let seen = record;
  for (let round = 1; round <= ATTEMPTS; round++) {
    if (seen.lease !== lease) throw leaseLost(job);
    const { logBytes, logReceived } = seen;
    if (offset > logReceived) {
      throw new Problem("log-gap", `The log of this attempt ends at ${logReceived}.`, { next: logReceived });
    }
    const fresh = chunk.subarray(Math.min(chunk.length, logReceived - offset));
    if (fresh.length === 0) return { next: logReceived, truncated: logBytes >= ROOM };
    const before = await lastChunk(CATALOG, job, logBytes);
    const { data, amended } = maskAfter(seamOf(before), clean(textOfBytes(fresh)));
    const stored = fit(data, logBytes);
    const appended = await appendLog(CATALOG, {
      job,
      lease,
      attempt,
      logBytes,
      logReceived,
      data: stored,
      received: fresh.length,
      amended:
        amended === undefined || before === undefined
          ? undefined
          : { start: before.start, data: before.data.slice(0, before.data.length - amended.length) + amended },
    });
    if (appended) return { next: logReceived + fresh.length, truncated: stored.length < data.length };
    const current = await findJob(CATALOG, job);
    if (current === undefined) throw leaseLost(job);
    seen = current;
  }
  throw new Error(`the log of ${job} grows again and again`);
}

/** NUL ends a text for much that reads it, D1 included. */
function clean(text: string): string {
  return text.replaceAll("\0", "?");
}

/** Masks a chunk, and what of a secret is at the end of the one before. @returns `amended` only where that changed */
function maskAfter(seam: string, data: string): { readonly data: string; readonly amended: string | undefined } {
  const masked = maskSecrets(seam + data);
  const before = masked.slice(0, seam.length);
  return { data: masked.slice(seam.length), amended: before === seam ? undefined : before };
}

/** What there is room for; once, the note that it was not enough. */
function fit(data: string, logBytes: number): string {
  if (logBytes >= ROOM) return "";
  return logBytes + data.length <= ROOM ? data : data.slice(0, ROOM - logBytes) + FULL;
}
