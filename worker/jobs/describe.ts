import type { JobDescription, JobSummary } from "../../shared/api/jobs.ts";
import { listFiles, listOutputs } from "../catalog/job-files.ts";
import { childrenOf, type JobRecord } from "../catalog/jobs.ts";
import type { Environment } from "../environment.ts";

const timeOf = (at: number | null) => (at === null ? null : new Date(at).toISOString());

/** A job as lists show it. */
export function summarizeJob(job: JobRecord): JobSummary {
  const { spec, status } = job;
  return {
    id: job.id,
    kind: spec.kind,
    state: status.state,
    reason: status.reason,
    exitCode: status.exitCode,
    message: job.message,
    cancelRequested: status.stop !== null,
    attempt: status.attempt,
    failures: status.failures,
    agent: job.agent,
    parent: job.parent,
    member: job.member,
    labels: spec.labels,
    commit: spec.commit ?? null,
    specDigest: job.specDigest,
    progress: job.progress,
    logBytes: job.logBytes,
    createdAt: new Date(job.createdAt).toISOString(),
    createdBy: job.createdBy,
    startedAt: timeOf(job.startedAt),
    finishedAt: timeOf(job.finishedAt),
  };
}

/** A job as the API shows it, with what it made and what is part of it. */
export async function describeJob({ CATALOG }: Pick<Environment, "CATALOG">, job: JobRecord): Promise<JobDescription> {
  const { id, spec, status, callback } = job;
  const [outputs, files, children] = await Promise.all([
    listOutputs(CATALOG, id),
    listFiles(CATALOG, id),
    spec.kind === "pipeline" ? childrenOf(CATALOG, id) : [],
  ]);
  const { notBefore, queueUntil } = status;
  return {
    ...summarizeJob(job),
    spec,
    outputs,
    files,
    result: job.result,
    children: children.map(summarizeJob),
    callback: callback === null ? null : { ...callback, at: timeOf(callback.at) },
    queue:
      status.state === "queued"
        ? { notBefore: new Date(notBefore).toISOString(), until: new Date(queueUntil).toISOString() }
        : null,
    links: {
      self: `/v1/jobs/${id}`,
      log: `/v1/jobs/${id}/log`,
      events: `/v1/jobs/${id}/events`,
      parent: job.parent === null ? null : `/v1/jobs/${job.parent}`,
    },
  };
}
