import { decide, type JobEffect, type JobEvent, type JobPolicy, policyOf } from "../../shared/jobs/decide.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import { isAgentKind, type JobSpec } from "../../shared/jobs/spec.ts";
import type { JobResult } from "../../shared/api/jobs.ts";
import { withdrawOrders } from "../catalog/alias-orders.ts";
import { writeStatus } from "../catalog/job-changes.ts";
import { childrenOf, findJob, type JobRecord, requireJob } from "../catalog/jobs.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { sendCallback } from "./callbacks.ts";

/** What goes along with an event. */
export interface EventFacts {
  readonly message?: string | null | undefined;
  readonly result?: JobResult | undefined;
  /** The lease that says so; the event counts only while it is the job's. */
  readonly lease?: string | undefined;
  readonly tell?: Tell | undefined;
}

/** Is given a job that has ended, to send its callback afterwards. Left out, that is done and waited for at once. */
export type Tell = (job: JobRecord) => void;

export interface Applied {
  readonly job: JobRecord;
  /** Empty where nothing changed. */
  readonly effects: readonly JobEffect[];
  readonly refused: "lease-lost" | "ended" | "not-queued" | "not-due" | undefined;
}

/** A Workflow looks at its job at least so often, and more often where others are taken for dead sooner. */
const LONGEST_WORKFLOW_PAUSE_MS = 20_000;

/** A step may take its time, on a busy machine. */
const LEAST_WORKFLOW_LEASE_MS = 10_000;

/** Half a beat more than those that may be missed: the next one may be on its way. */
const PATIENCE_BEATS = 2.5;

/** Longest pause between two looks of a Workflow at its job. */
export function workflowPauseMsOf(environment: Environment): number {
  return Math.min(LONGEST_WORKFLOW_PAUSE_MS, (limitsOf(environment).stallSeconds * 1000) / 3);
}

/** From a sign of life of whoever has such a job to the end of its lease. */
export function leaseMsOf(environment: Environment, { kind }: Pick<JobSpec, "kind">): number {
  const beats = PATIENCE_BEATS * limitsOf(environment).heartbeatSeconds * 1000;
  return isAgentKind(kind) ? beats : Math.max(LEAST_WORKFLOW_LEASE_MS, 3 * workflowPauseMsOf(environment));
}

export function policyFor(environment: Environment, spec: JobSpec): JobPolicy {
  return policyOf(spec, leaseMsOf(environment, spec));
}

/** How often a change is tried against others that change the job. */
const ATTEMPTS = 20;

/**
 * Lets something happen to a job: decides, writes if nobody else was faster, else decides anew. What follows from the
 * change is done as well: whoever waits is told, and what is part of the job ends with it.
 * @param seen the job; what it is by now is read where someone was faster
 */
export async function applyEvent(
  environment: Environment,
  seen: JobRecord,
  event: JobEvent,
  now: () => Date,
  facts: EventFacts = {},
): Promise<Applied> {
  const { CATALOG } = environment;
  let job = seen;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (facts.lease !== undefined && job.lease !== facts.lease) return { job, effects: [], refused: "lease-lost" };
    const at = now().getTime();
    const decided = decide(job.status, event, policyFor(environment, job.spec), at);
    if ("refused" in decided) return { job, effects: [], refused: decided.refused };
    if (decided.status === job.status) return { job, effects: [], refused: undefined };
    const endsLease = decided.effects.includes("lease-ended");
    const endedBy = endsLease ? facts.lease : undefined;
    const change = { status: decided.status, at, endsLease, endedBy, message: facts.message, result: facts.result };
    if (await writeStatus(CATALOG, job, change)) {
      const changed = await requireJob(CATALOG, job.id);
      await followUp(environment, changed, decided.effects, now, facts.tell);
      return { job: changed, effects: decided.effects, refused: undefined };
    }
    job = await requireJob(CATALOG, job.id);
  }
  throw new Error(`the job ${job.id} changes again and again`);
}

async function followUp(
  environment: Environment,
  job: JobRecord,
  effects: readonly JobEffect[],
  now: () => Date,
  tell: Tell | undefined,
): Promise<void> {
  if (!effects.includes("ended")) return;
  if (job.spec.kind === "pipeline") await cancelChildren(environment, job.id, now);
  if (job.status.state !== "succeeded") await withdrawOrders(environment.CATALOG, job.id);
  if (tell === undefined) await sendCallback(environment, job, now);
  else tell(job);
}

/** Cancels what is part of a job and not over yet. */
export async function cancelChildren(environment: Environment, parent: JobId, now: () => Date): Promise<void> {
  for (const child of await childrenOf(environment.CATALOG, parent)) {
    await applyEvent(environment, child, { kind: "cancel", reason: "parent-ended" }, now);
  }
}

/**
 * Cancels a job: at once where it waits or the deployment does it itself; else its agent is asked to stop. A job that is
 * over stays as it is.
 */
export async function cancelJob(environment: Environment, job: JobRecord, now: () => Date): Promise<JobRecord> {
  const { job: asked } = await applyEvent(environment, job, { kind: "cancel", reason: "cancelled" }, now);
  return endStopped(environment, asked, now);
}

/** What the deployment does itself stops as soon as it shall: the Workflow finds out that it lost the job, and ends. */
async function endStopped(environment: Environment, job: JobRecord, now: () => Date, tell?: Tell): Promise<JobRecord> {
  const { stop, attempt } = job.status;
  if (stop === null || isAgentKind(job.spec.kind)) return job;
  const event = { kind: "fail", attempt, reason: "internal", exitCode: null } as const;
  return (await applyEvent(environment, job, event, now, { tell })).job;
}

/** A job as it is by now, with what time has done to it. */
export async function refreshJob(
  environment: Environment,
  job: JobRecord,
  now: () => Date,
  tell?: Tell,
): Promise<JobRecord> {
  let current = job;
  for (const kind of ["queueExpired", "leaseExpired", "timeout", "stopOverdue"] as const) {
    const { leaseExpiresAt, deadlineAt, stopBy, queueUntil, state } = current.status;
    const times = state === "queued" ? [queueUntil] : [leaseExpiresAt, deadlineAt, stopBy];
    const at = now().getTime();
    if (!times.some((time) => time !== null && time <= at)) return current;
    const { job: passed } = await applyEvent(environment, current, { kind }, now, { tell });
    current = await endStopped(environment, passed, now, tell);
  }
  return current;
}

/** @returns undefined where there is none */
export async function currentJob(environment: Environment, id: JobId, now: () => Date): Promise<JobRecord | undefined> {
  const job = await findJob(environment.CATALOG, id);
  return job === undefined ? undefined : refreshJob(environment, job, now);
}
