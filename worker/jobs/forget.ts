import type { JobFile } from "../../shared/api/jobs.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import type { Environment } from "../environment.ts";
import { jobFileKey } from "./store-file.ts";

/** What an attempt left for the next one is of no use for longer, and its log of little. */
const KEPT_MS = 30 * 86_400_000;

/** Jobs at a time: the daily schedule goes on the next day. */
const PAGE = 100;

/** Names that R2 deletes at once. */
const DELETED_AT_ONCE = 1_000;

/**
 * Deletes the files and the logs of jobs that ended a month ago; what they made stays, and so do they.
 * @returns how many jobs
 */
export async function forgetOldJobs(
  { BUCKET, CATALOG }: Pick<Environment, "BUCKET" | "CATALOG">,
  at: Date,
): Promise<number> {
  const { results: old } = await CATALOG.prepare(
    `SELECT id FROM jobs WHERE finished_at < ?1
     AND (EXISTS (SELECT 1 FROM job_files WHERE job = id) OR EXISTS (SELECT 1 FROM job_log WHERE job = id)) LIMIT ?2`,
  )
    .bind(at.getTime() - KEPT_MS, PAGE)
    .all<{ id: JobId }>();
  for (const { id } of old) {
    const { results } = await CATALOG.prepare("SELECT name, attempt, sha256 FROM job_files WHERE job = ?")
      .bind(id)
      .all<Pick<JobFile, "name" | "attempt" | "sha256">>();
    const keys = results.map((file) => jobFileKey(id, file));
    for (let first = 0; first < keys.length; first += DELETED_AT_ONCE) {
      await BUCKET.delete(keys.slice(first, first + DELETED_AT_ONCE));
    }
    await CATALOG.batch([
      CATALOG.prepare("DELETE FROM job_files WHERE job = ?").bind(id),
      CATALOG.prepare("DELETE FROM job_log WHERE job = ?").bind(id),
    ]);
  }
  return old.length;
}
