import type { CreatedJob, ParsedCreateJob } from "../../shared/api/jobs.ts";
import { newStatus } from "../../shared/jobs/decide.ts";
import { JOB_ID_RANDOM_BYTES, newJobId } from "../../shared/jobs/job-id.ts";
import { isAgentKind, type JobSpec, specDigest } from "../../shared/jobs/spec.ts";
import type { Scope } from "../auth/scopes.ts";
import { insertJob } from "../catalog/job-changes.ts";
import { findDuplicate, type JobRecord, requireJob } from "../catalog/jobs.ts";
import type { Environment } from "../environment.ts";
import { policyFor } from "./apply.ts";
import { checkCallback } from "./callback-address.ts";
import { callbackKeyOf } from "./callbacks.ts";
import { describeJob } from "./describe.ts";
import { startWorkflowJob } from "./start-workflow.ts";

/** What making a job needs from the outside. */
export interface JobSources {
  now(): Date;
  randomBytes(length: number): Uint8Array<ArrayBuffer>;
}

/** Scopes that posting a job takes beside `jobs`: those of what the deployment will do in its name. */
export function scopesFor(spec: JobSpec): readonly Scope[] {
  switch (spec.kind) {
    case "train":
    case "experiment":
      return [];
    case "probe":
      return ["probe"];
    case "fuse":
      return spec.fusion.alias === undefined ? ["fuse"] : ["fuse", "publish"];
    case "pipeline":
      return spec.alias === undefined ? ["fuse"] : ["fuse", "publish"];
    default:
      return spec satisfies never;
  }
}

/**
 * Enters a job, or finds the one that makes it unnecessary. What the deployment does itself begins at once.
 * @param by id of the principal
 * @throws Problem `malformed-request` for a callback that goes nowhere
 */
export async function createJob(
  environment: Environment,
  { spec, deduplicate }: ParsedCreateJob,
  by: string,
  { now, randomBytes }: JobSources,
): Promise<{ readonly job: JobRecord; readonly isNew: boolean }> {
  const { CATALOG } = environment;
  if (spec.callback !== undefined) checkCallback(environment, spec.callback);
  const at = now();
  const id = newJobId(at, randomBytes(JOB_ID_RANDOM_BYTES));
  const status = newStatus(policyFor(environment, spec), at.getTime());
  const entry = { id, spec, status, parent: null, member: null, createdBy: by, at: at.getTime() };
  for (;;) {
    if (await insertJob(CATALOG, entry, deduplicate)) {
      const job = await requireJob(CATALOG, id);
      if (isAgentKind(spec.kind)) return { job, isNew: true };
      await startWorkflowJob(environment, job, { now, randomBytes });
      return { job: await requireJob(CATALOG, id), isNew: true };
    }
    // Unless it ended badly just now.
    const other = await findDuplicate(CATALOG, specDigest(spec));
    if (other !== undefined) return { job: other, isNew: false };
  }
}

/**
 * The answer to whoever posted a job. The key of its callback is told to whoever made it: another's job that was found
 * instead tells somebody else.
 */
export async function describeCreated(
  environment: Environment,
  { job, isNew }: { readonly job: JobRecord; readonly isNew: boolean },
): Promise<CreatedJob> {
  const isTold = isNew && job.spec.callback !== undefined;
  const key = isTold ? await callbackKeyOf(environment, job.id) : undefined;
  return { ...(await describeJob(environment, job)), callbackKey: key ?? null };
}
