import { bytesToHex } from "@noble/hashes/utils.js";
import { claimForWorkflow } from "../catalog/job-claims.ts";
import type { JobRecord } from "../catalog/jobs.ts";
import type { Environment } from "../environment.ts";
import { applyEvent, leaseMsOf, type Tell } from "./apply.ts";

const LEASE_BYTES = 32;

interface WorkflowSources {
  now(): Date;
  randomBytes(length: number): Uint8Array;
  readonly tell?: Tell;
}

/**
 * Has a Workflow do a job that waits and takes no agent. A Workflow is an agent like any other: it has a lease, shows that
 * it is alive, and where it is not, another attempt takes over. Of several who start it at once, one does.
 */
export async function startWorkflowJob(
  environment: Environment,
  job: JobRecord,
  { now, randomBytes, tell }: WorkflowSources,
): Promise<void> {
  const { CATALOG, JOB_WORKFLOW } = environment;
  // As long as a digest, and of no token that anybody could present.
  const lease = bytesToHex(randomBytes(LEASE_BYTES));
  const leaseMs = leaseMsOf(environment, job.spec);
  const claimed = await claimForWorkflow(CATALOG, job.id, { lease, leaseMs, at: now().getTime() });
  if (claimed === undefined) return;
  const { attempt } = claimed.status;
  try {
    await JOB_WORKFLOW.create({ id: `${job.id}-${attempt}`, params: { id: job.id, attempt, lease } });
  } catch (error) {
    console.error(JSON.stringify({ level: "error", code: "workflow-not-started", job: job.id, cause: String(error) }));
    const facts = { lease, message: "The Workflow could not be started.", tell };
    await applyEvent(environment, claimed, { kind: "fail", attempt, reason: "internal", exitCode: null }, now, facts);
  }
}
