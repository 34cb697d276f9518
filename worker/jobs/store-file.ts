import type { JobFile, JobFileName } from "../../shared/api/jobs.ts";
import { MOST_JOB_FILES } from "../../shared/api/jobs.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import { Problem } from "../../shared/problem.ts";
import { enterFile, listFiles } from "../catalog/job-files.ts";
import type { Environment } from "../environment.ts";
import { drain } from "../objects/drain.ts";
import { type HeldJob, leaseLost } from "./lease.ts";

/** Where a file of an attempt lies: by its digest too, so that a later one of the same name never is half of each. */
export function jobFileKey(
  job: JobId,
  { attempt, sha256, name }: Pick<JobFile, "attempt" | "sha256" | "name">,
): string {
  return `jobs/${job}/${attempt}/${sha256}/${name}`;
}

export interface SentFile {
  readonly name: JobFileName;
  readonly body: ReadableStream<Uint8Array>;
  readonly length: number;
  /** SHA-256, hex. */
  readonly announced: string;
}

/**
 * Keeps a file of an attempt, in the place of its earlier one of this name. The bucket verifies length and digest; the row
 * is entered only while the lease holds, so nothing of an attempt that lost the job is ever found.
 * @throws Problem `digest-mismatch`, `truncated-file`, `payload-too-large` for too many files, `lease-lost`
 */
export async function storeFile(
  { BUCKET, CATALOG }: Pick<Environment, "BUCKET" | "CATALOG">,
  held: HeldJob,
  { name, body, length, announced }: SentFile,
  at: Date,
): Promise<JobFile> {
  const { job, attempt } = held;
  const known = await listFiles(CATALOG, job);
  if (known.length >= MOST_JOB_FILES && !known.some((file) => file.name === name)) {
    throw new Problem("payload-too-large", `A job keeps at most ${MOST_JOB_FILES} files.`, { limit: MOST_JOB_FILES });
  }
  const file: JobFile = { name, bytes: length, sha256: announced, attempt };
  const key = jobFileKey(job, file);
  const isThere = known.some((one) => one.name === name && one.attempt === attempt && one.sha256 === announced);
  if (isThere) await drain(body.getReader());
  else await put(BUCKET, key, { body, length, announced });
  const entered = await enterFile(CATALOG, held, { name, bytes: length, sha256: announced, at: at.getTime() });
  if (entered === false) {
    if (!isThere) await BUCKET.delete(key);
    throw leaseLost(job);
  }
  const { replaced } = entered;
  // A reader of the earlier one may be under way; R2 lets it finish.
  if (replaced !== undefined && replaced.sha256 !== announced) await BUCKET.delete(jobFileKey(job, replaced));
  return file;
}

async function put(
  bucket: R2Bucket,
  key: string,
  { body, length, announced }: Pick<SentFile, "body" | "length" | "announced">,
): Promise<void> {
  const pipe = new FixedLengthStream(length);
  const piped = body.pipeTo(pipe.writable);
  piped.catch(() => undefined);
  try {
    await bucket.put(key, pipe.readable, { sha256: announced });
  } catch (error) {
    const wasCut = await piped.then(
      () => false,
      () => true,
    );
    if (wasCut) throw new Problem("truncated-file", `The file does not have ${length} bytes.`, { bytes: length });
    if (/checksum|digest|sha-?256|hash/i.test(String(error))) {
      throw new Problem("digest-mismatch", "The bytes do not have the SHA-256 that was announced.", { announced });
    }
    throw error;
  }
}
