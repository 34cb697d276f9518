import type { JobFile, JobFileName, JobOutput } from "../../shared/api/jobs.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import { hasChanged } from "./changes.ts";

interface FileRow {
  name: string;
  attempt: number;
  bytes: number;
  sha256: string;
}

/** Only whoever has the job writes. */
const HOLDS = "SELECT 1 FROM jobs WHERE id = ?1 AND lease = ?2 AND attempt = ?3 AND state IN ('leased', 'running')";

/** Who writes: an attempt that has the job. */
export interface Holder {
  readonly job: JobId;
  readonly lease: string;
  readonly attempt: number;
}

/** What later attempts find: of each name the newest. */
export async function listFiles(catalog: D1Database, job: JobId): Promise<JobFile[]> {
  const { results } = await catalog
    .prepare(
      "SELECT name, max(attempt) AS attempt, bytes, sha256 FROM job_files WHERE job = ? GROUP BY name ORDER BY name",
    )
    .bind(job)
    .all<FileRow>();
  return results.map(fileOf);
}

export async function findFile(catalog: D1Database, job: JobId, name: JobFileName): Promise<JobFile | undefined> {
  const row = await catalog
    .prepare("SELECT * FROM job_files WHERE job = ? AND name = ? ORDER BY attempt DESC LIMIT 1")
    .bind(job, name)
    .first<FileRow>();
  return row === null ? undefined : fileOf(row);
}

/**
 * Enters a file whose bytes are in the bucket, in the place of the attempt's earlier one of this name.
 * @returns the earlier one; false where the attempt does not have the job any longer
 */
export async function enterFile(
  catalog: D1Database,
  { job, lease, attempt }: Holder,
  { name, bytes, sha256, at }: Pick<JobFile, "name" | "bytes" | "sha256"> & { readonly at: number },
): Promise<{ readonly replaced: JobFile | undefined } | false> {
  const [earlier, entered] = await catalog.batch<FileRow>([
    catalog.prepare("SELECT * FROM job_files WHERE job = ? AND name = ? AND attempt = ?").bind(job, name, attempt),
    catalog
      .prepare(
        `INSERT INTO job_files (job, name, attempt, bytes, sha256, created_at)
         SELECT ?1, ?4, ?3, ?5, ?6, ?7 WHERE EXISTS (${HOLDS})
         ON CONFLICT (job, name, attempt) DO UPDATE SET bytes = ?5, sha256 = ?6, created_at = ?7`,
      )
      .bind(job, lease, attempt, name, bytes, sha256, at),
  ]);
  if ((entered?.meta.changes ?? 0) === 0) return false;
  const row = earlier?.results[0];
  return { replaced: row === undefined ? undefined : fileOf(row) };
}

export async function listOutputs(catalog: D1Database, job: JobId): Promise<JobOutput[]> {
  const { results } = await catalog
    .prepare("SELECT * FROM job_outputs WHERE job = ? ORDER BY created_at, name, checkpoint")
    .bind(job)
    .all<{ checkpoint: string; attempt: number; name: string | null; bytes: number }>();
  return results.map(({ checkpoint, attempt, name, bytes }) => ({
    checkpoint: checkpoint as CheckpointId,
    name,
    bytes,
    attempt,
  }));
}

/** @returns false where the attempt does not have the job any longer */
export function enterOutput(
  catalog: D1Database,
  { job, lease, attempt }: Holder,
  { checkpoint, name, bytes, at }: Omit<JobOutput, "attempt"> & { readonly at: number },
): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare(
        `INSERT INTO job_outputs (job, checkpoint, attempt, name, bytes, created_at)
         SELECT ?1, ?4, ?3, ?5, ?6, ?7 WHERE EXISTS (${HOLDS})
         ON CONFLICT (job, checkpoint) DO UPDATE SET attempt = ?3, name = COALESCE(?5, name)`,
      )
      .bind(job, lease, attempt, checkpoint, name, bytes, at),
  );
}

function fileOf({ name, attempt, bytes, sha256 }: FileRow): JobFile {
  return { name: name as JobFileName, attempt, bytes, sha256 };
}
