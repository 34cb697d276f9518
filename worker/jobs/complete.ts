import type { CompleteRequest } from "../../shared/api/jobs.ts";
import type { JobEvent } from "../../shared/jobs/decide.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import { type AgentReason, reasonOfExitCode } from "../../shared/jobs/reasons.ts";
import { showLog } from "../../shared/jobs/log-text.ts";
import { Problem } from "../../shared/problem.ts";
import { listOutputs } from "../catalog/job-files.ts";
import { findJob, type JobRecord } from "../catalog/jobs.ts";
import type { Environment } from "../environment.ts";
import { applyEvent } from "./apply.ts";
import { leaseLost } from "./lease.ts";

/**
 * Ends an attempt as its agent says. Saying it twice is saying it once.
 * @param lease SHA-256 of its token
 * @throws Problem `lease-lost`, `checkpoint-not-found` for an output that was not posted
 */
export async function completeAttempt(
  environment: Environment,
  id: JobId,
  lease: string,
  { exitCode, reason, outputs = [], message }: CompleteRequest,
  now: () => Date,
): Promise<JobRecord> {
  const { CATALOG } = environment;
  const job = await findJob(CATALOG, id);
  if (job === undefined) throw leaseLost(id);
  if (job.endedBy === lease && job.lease !== lease) return job;
  if (job.lease !== lease) throw leaseLost(id);
  const posted = new Set<string>((await listOutputs(CATALOG, id)).map(({ checkpoint }) => checkpoint));
  const missing = outputs.filter((output) => !posted.has(output));
  if (missing.length > 0) {
    throw new Problem("checkpoint-not-found", `No output of this job has the id ${missing[0]}; post it first.`, {
      missing,
    });
  }
  const { attempt } = job.status;
  const facts = { lease, message: message === undefined ? null : lineOf(message) };
  const applied = await applyEvent(environment, job, eventOf(attempt, exitCode, reason), now, facts);
  if (applied.refused !== undefined) {
    if (applied.job.endedBy === lease) return applied.job;
    throw leaseLost(id);
  }
  return applied.job;
}

/** What the agent gives as its reason goes before what the exit code says, but failure never is success. */
function eventOf(attempt: number, exitCode: number, given: AgentReason | undefined): JobEvent {
  const found = reasonOfExitCode(exitCode);
  const reason = given === undefined || given === "done" ? found : given;
  return reason === "done" ? { kind: "complete", attempt } : { kind: "fail", attempt, reason, exitCode };
}

function lineOf(message: string): string {
  return showLog(message.replaceAll(/\s+/g, " ").trim());
}
