import type { JobResult } from "../../shared/api/jobs.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import { type FailureReason, isFinal, newStatus } from "../../shared/jobs/decide.ts";
import { JOB_ID_RANDOM_BYTES, newJobId } from "../../shared/jobs/job-id.ts";
import type { SpecOf } from "../../shared/jobs/spec.ts";
import { insertJob } from "../catalog/job-changes.ts";
import { listOutputs } from "../catalog/job-files.ts";
import { childrenOf, type JobRecord } from "../catalog/jobs.ts";
import type { Environment } from "../environment.ts";
import { policyFor, refreshJob } from "./apply.ts";
import type { JobSources } from "./create.ts";

type Pipeline = JobRecord & { readonly spec: SpecOf<"pipeline"> };

/** The spec of the job that trains one member of a pipeline's family. */
export function memberSpec(spec: SpecOf<"pipeline">, member: number): SpecOf<"train"> {
  const { version, resources, timeoutSeconds, queueSeconds, stopGraceSeconds, retry, labels, commit, train } = spec;
  return {
    version,
    resources,
    timeoutSeconds,
    queueSeconds,
    stopGraceSeconds,
    retry,
    labels,
    ...(commit === undefined ? {} : { commit }),
    kind: "train",
    options: train,
    member,
  };
}

/** Posts a job for each member of a pipeline's family; those that are there stay. */
export async function postMembers(
  environment: Environment,
  { id, spec, createdBy }: Pipeline,
  { now, randomBytes }: JobSources,
): Promise<void> {
  for (let member = 1; member <= spec.train.models; member++) {
    const at = now();
    const child = memberSpec(spec, member);
    const status = newStatus(policyFor(environment, child), at.getTime());
    const jobId = newJobId(at, randomBytes(JOB_ID_RANDOM_BYTES));
    const entry = { id: jobId, spec: child, status, parent: id, member, createdBy, at: at.getTime() };
    await insertJob(environment.CATALOG, entry, false);
  }
}

/** How the members of a family are. */
export type Members =
  | { readonly kind: "waiting"; readonly done: number }
  | { readonly kind: "trained"; readonly members: JobResult["members"] }
  | {
      readonly kind: "failed";
      readonly reason: FailureReason;
      readonly exitCode: number | null;
      readonly message: string;
    };

/** Looks at the members, as time has left them. The first that failed decides. */
export async function lookAtMembers(
  environment: Environment,
  { id, spec }: Pipeline,
  now: () => Date,
): Promise<Members> {
  const children: JobRecord[] = [];
  for (const child of await childrenOf(environment.CATALOG, id)) {
    children.push(await refreshJob(environment, child, now));
  }
  const failed = children.find(({ status }) => isFinal(status.state) && status.state !== "succeeded");
  if (failed !== undefined) {
    const { reason, exitCode, state } = failed.status;
    const why = failed.message === null ? "" : `: ${failed.message}`;
    return {
      kind: "failed",
      reason: reason === null || reason === "done" ? "internal" : reason,
      exitCode,
      message: `Member ${failed.member} (job ${failed.id}) ${state}, ${reason}${why}`,
    };
  }
  const done = children.filter(({ status }) => status.state === "succeeded").length;
  if (done < spec.train.models) return { kind: "waiting", done };
  const members: CheckpointId[] = [];
  for (const child of children) {
    // With `keep-best` there are two; the last weights are what fuses.
    const outputs = (await listOutputs(environment.CATALOG, child.id)).filter(
      ({ name }) => name?.endsWith(".best.safetensors") !== true,
    );
    const output = outputs.at(-1);
    if (output === undefined) {
      const message = `Member ${child.member} (job ${child.id}) posted no checkpoint.`;
      return { kind: "failed", reason: "bad-input", exitCode: null, message };
    }
    members.push(output.checkpoint);
  }
  return { kind: "trained", members };
}
