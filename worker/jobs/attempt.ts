import type { ClaimedJob, HeartbeatAnswer, JobProgress, ParsedClaim } from "../../shared/api/jobs.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import { AGENT_KINDS } from "../../shared/jobs/spec.ts";
import { claimJob, touchJob } from "../catalog/job-claims.ts";
import { listFiles } from "../catalog/job-files.ts";
import { findJob } from "../catalog/jobs.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { applyEvent, leaseMsOf } from "./apply.ts";
import type { JobSources } from "./create.ts";
import { leaseLost, newLease } from "./lease.ts";

/** Gives an agent the next job that it can do. @returns undefined where nothing waits that fits */
export async function claimNext(
  environment: Environment,
  request: ParsedClaim,
  { now, randomBytes }: JobSources,
): Promise<ClaimedJob | undefined> {
  const { CATALOG } = environment;
  const { token, digest } = await newLease(randomBytes);
  const leaseMs = leaseMsOf(environment, { kind: "train" });
  const claimed = await claimJob(CATALOG, { ...request, lease: digest, leaseMs, at: now().getTime() });
  if (claimed === undefined) return undefined;
  const { id, spec, status, parent, createdAt } = claimed;
  const kind = AGENT_KINDS.find((one) => one === spec.kind);
  if (kind === undefined) throw new Error(`an agent got a ${spec.kind}`);
  return {
    job: { id, kind, spec, attempt: status.attempt, parent, createdAt: new Date(createdAt).toISOString() },
    lease: {
      token,
      attempt: status.attempt,
      expiresAt: new Date(status.leaseExpiresAt ?? 0).toISOString(),
      heartbeatSeconds: limitsOf(environment).heartbeatSeconds,
      deadlineAt: new Date(status.deadlineAt ?? 0).toISOString(),
    },
    resume: { files: status.attempt === 1 ? [] : await listFiles(CATALOG, id) },
  };
}

/**
 * Notes a sign of life. One statement, unless the attempt has taken too long.
 * @param lease SHA-256 of its token
 * @throws Problem `lease-lost`
 */
export async function beatJob(
  environment: Environment,
  id: JobId,
  { lease, progress }: { readonly lease: string; readonly progress?: JobProgress | undefined },
  now: () => Date,
): Promise<HeartbeatAnswer> {
  const { CATALOG } = environment;
  const at = now().getTime();
  const leaseMs = leaseMsOf(environment, { kind: "train" });
  const beat = await touchJob(CATALOG, id, { lease, leaseMs, at, progress });
  if (beat === undefined) throw leaseLost(id);
  let { stop } = beat;
  if (stop === null && beat.deadlineAt <= at) {
    const job = await findJob(CATALOG, id);
    if (job === undefined) throw leaseLost(id);
    const timed = await applyEvent(environment, job, { kind: "timeout" }, now, { lease });
    if (timed.refused === "lease-lost") throw leaseLost(id);
    stop = timed.job.status.stop;
  }
  return { cancel: stop !== null, reason: stop, expiresAt: new Date(beat.leaseExpiresAt).toISOString() };
}
