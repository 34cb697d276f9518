import { base64url } from "jose";
import { LEASE_FIELD } from "../../shared/api/jobs.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import { Problem } from "../../shared/problem.ts";
import { digestOfSecret, sameText } from "../auth/secrets.ts";
import type { Holder } from "../catalog/job-files.ts";
import { findJob, type JobRecord } from "../catalog/jobs.ts";
import type { AppContext } from "../environment.ts";

const TOKEN_BYTES = 32;
const TOKEN = /^lease_[A-Za-z0-9_-]{43}$/;

/** A lease: the token goes to the agent, its digest to the catalog. */
export async function newLease(
  randomBytes: (length: number) => Uint8Array<ArrayBuffer>,
): Promise<{ readonly token: string; readonly digest: string }> {
  const token = `lease_${base64url.encode(randomBytes(TOKEN_BYTES))}`;
  return { token, digest: await digestOfSecret(token) };
}

/**
 * SHA-256 of the lease that a request shows.
 * @returns undefined where it shows none
 * @throws Problem `lease-lost` for one that is none
 */
export async function shownLease(c: AppContext, id: JobId): Promise<string | undefined> {
  const token = c.req.header(LEASE_FIELD);
  if (token === undefined) return undefined;
  if (!TOKEN.test(token)) throw leaseLost(id);
  return digestOfSecret(token);
}

/**
 * @throws Problem `lease-lost`
 */
export async function requireLease(c: AppContext, id: JobId): Promise<string> {
  const lease = await shownLease(c, id);
  if (lease === undefined) throw leaseLost(id);
  return lease;
}

/** An attempt that has a job, and the job. */
export interface HeldJob extends Holder {
  readonly record: JobRecord;
}

/**
 * The job that a request's lease is of.
 * @throws Problem `lease-lost`, also where there is no such job: whoever has no lease learns nothing
 */
export async function requireHeld(c: AppContext, id: JobId): Promise<HeldJob> {
  const lease = await requireLease(c, id);
  const record = await findJob(c.env.CATALOG, id);
  if (record?.lease === null || record === undefined || !sameText(record.lease, lease)) throw leaseLost(id);
  return { job: id, lease, attempt: record.status.attempt, record };
}

export function leaseLost(id: JobId): Problem {
  return new Problem(
    "lease-lost",
    `This attempt does not have the job ${id}, or not any longer. Stop its process; nothing more of it is accepted.`,
    { job: id },
  );
}
