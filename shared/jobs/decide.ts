import { consequenceOf, isFinal, type JobReason, type JobState } from "./reasons.ts";
import { isAgentKind, type JobSpec } from "./spec.ts";

export { isFinal };

/** Why an attempt is to stop. */
export type StopReason = Extract<JobReason, "cancelled" | "parent-ended" | "timed-out">;

/** Why an attempt failed. */
export type FailureReason = Exclude<JobReason, "done">;

/** Where a job is. Times are milliseconds since 1970, by the deployment's clock. */
export interface JobStatus {
  readonly state: JobState;
  /** Attempts begun; the number of the current one. */
  readonly attempt: number;
  /** Attempts that failed and count. */
  readonly failures: number;
  /** Set once the attempt has been asked to stop. */
  readonly stop: StopReason | null;
  /** Why the job ended, or the last attempt did. */
  readonly reason: JobReason | null;
  readonly exitCode: number | null;
  /** When the lease ends unless there is a heartbeat; null where nobody has the job. */
  readonly leaseExpiresAt: number | null;
  /** When the attempt is asked to stop; of what the deployment does itself all attempts, so it stays between two. */
  readonly deadlineAt: number | null;
  /** When an attempt that was asked to stop is given up. */
  readonly stopBy: number | null;
  /** Nobody gets the job before that. */
  readonly notBefore: number;
  /** How long it waits. */
  readonly queueUntil: number;
}

/** What the spec and the deployment lay down; durations in milliseconds. */
export interface JobPolicy {
  readonly timeoutMs: number;
  readonly queueMs: number;
  readonly stopGraceMs: number;
  /** From a sign of life to the end of the lease. */
  readonly leaseMs: number;
  readonly attempts: number;
  readonly retryOn: readonly JobReason[] | undefined;
  readonly retryExitCodes: readonly number[];
  /** The deployment does it itself: where its worker died, that is not the job's fault. */
  readonly isOwn: boolean;
}

/** What happens to a job. What comes from an agent names the attempt that it has. */
export type JobEvent =
  | { readonly kind: "claim" }
  | { readonly kind: "start" | "heartbeat" | "progress" | "complete"; readonly attempt: number }
  | {
      readonly kind: "fail";
      readonly attempt: number;
      readonly reason: FailureReason;
      readonly exitCode: number | null;
      /** Nothing that another attempt could mend, whatever the reason: it is not the attempt's own. */
      readonly isLast?: boolean;
    }
  | { readonly kind: "cancel"; readonly reason: Exclude<StopReason, "timed-out"> }
  | { readonly kind: "leaseExpired" | "timeout" | "stopOverdue" | "queueExpired" };

/** What is to be done along with a change: the lease ends; the job waits again; the job is over, and whoever waits is told. */
export type JobEffect = "lease-ended" | "queued-again" | "ended";

export interface Decided {
  readonly status: JobStatus;
  readonly effects: readonly JobEffect[];
}

/** Nothing changes: the attempt has lost the job, the job is over, it is not to be had, or it is not time yet. */
export interface Refusal {
  readonly refused: "lease-lost" | "ended" | "not-queued" | "not-due";
}

/** Attempts that do not count come to an end too. */
export const MOST_ATTEMPTS = 100;

const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 300_000;

/** A job as it is posted. */
export function newStatus(policy: Pick<JobPolicy, "queueMs">, now: number): JobStatus {
  return {
    state: "queued",
    attempt: 0,
    failures: 0,
    stop: null,
    reason: null,
    exitCode: null,
    leaseExpiresAt: null,
    deadlineAt: null,
    stopBy: null,
    notBefore: now,
    queueUntil: now + policy.queueMs,
  };
}

/** @param leaseMs from a sign of life to the end of a lease */
export function policyOf(spec: JobSpec, leaseMs: number): JobPolicy {
  return {
    timeoutMs: spec.timeoutSeconds * 1000,
    queueMs: spec.queueSeconds * 1000,
    stopGraceMs: spec.stopGraceSeconds * 1000,
    leaseMs,
    attempts: spec.retry.attempts,
    retryOn: spec.retry.on,
    retryExitCodes: spec.retry.exitCodes,
    isOwn: !isAgentKind(spec.kind),
  };
}

/**
 * What becomes of a job. Pure: the clock is passed in, and may jump. A lease holds until an event ends it, so a heartbeat
 * that comes late but before anybody noticed is none too late.
 * @param now milliseconds since 1970
 */
export function decide(status: JobStatus, event: JobEvent, policy: JobPolicy, now: number): Decided | Refusal {
  switch (event.kind) {
    case "claim":
      return claim(status, policy, now);
    case "start":
    case "heartbeat":
    case "progress":
    case "complete":
    case "fail":
      return isHeld(status, event.attempt) ? report(status, event, policy, now) : { refused: "lease-lost" };
    case "cancel":
      return cancel(status, event.reason, policy, now);
    case "leaseExpired":
    case "timeout":
    case "stopOverdue":
    case "queueExpired":
      return isFinal(status.state) ? { refused: "ended" } : pass(status, event.kind, policy, now);
    default:
      return event satisfies never;
  }
}

/** Whether an attempt is the one that has the job. */
function isHeld({ state, attempt }: JobStatus, by: number): boolean {
  return (state === "leased" || state === "running") && attempt === by;
}

function claim(status: JobStatus, { timeoutMs, leaseMs }: JobPolicy, now: number): Decided | Refusal {
  if (status.state !== "queued") return { refused: "not-queued" };
  if (now < status.notBefore || now >= status.queueUntil) return { refused: "not-due" };
  const leased: JobStatus = {
    ...status,
    state: "leased",
    attempt: status.attempt + 1,
    exitCode: null,
    leaseExpiresAt: now + leaseMs,
    deadlineAt: status.deadlineAt ?? now + timeoutMs,
  };
  return { status: leased, effects: [] };
}

/** A word from whoever has the job. */
function report(
  status: JobStatus,
  event: Extract<JobEvent, { readonly attempt: number }>,
  policy: JobPolicy,
  now: number,
): Decided {
  switch (event.kind) {
    case "start":
    case "heartbeat":
    case "progress": {
      // A clock that was set back takes nothing away.
      const leaseExpiresAt = Math.max(status.leaseExpiresAt ?? 0, now + policy.leaseMs);
      return { status: { ...status, state: "running", leaseExpiresAt }, effects: [] };
    }
    case "complete":
      return end(status, "done", 0);
    case "fail":
      if (status.stop !== null) return end(status, status.stop, event.exitCode);
      return event.isLast === true
        ? end(status, event.reason, event.exitCode)
        : fail(status, event.reason, event.exitCode, policy, now);
    default:
      return event satisfies never;
  }
}

function cancel(
  status: JobStatus,
  reason: StopReason,
  { stopGraceMs, leaseMs }: JobPolicy,
  now: number,
): Decided | Refusal {
  if (isFinal(status.state)) return { refused: "ended" };
  if (status.state === "queued") return end(status, reason, null);
  if (status.stop !== null) return { status, effects: [] };
  // The agent hears of it with its next heartbeat, and then has its time to stop in.
  return { status: { ...status, stop: reason, stopBy: now + leaseMs + stopGraceMs }, effects: [] };
}

/** Time passes. What is not due does nothing, so that whoever looks may ask for all of it. */
function pass(
  status: JobStatus,
  kind: "leaseExpired" | "timeout" | "stopOverdue" | "queueExpired",
  policy: JobPolicy,
  now: number,
): Decided | Refusal {
  const isActive = status.state !== "queued";
  const isDue = (at: number | null) => at !== null && now >= at;
  switch (kind) {
    case "leaseExpired": {
      if (!isActive || !isDue(status.leaseExpiresAt)) return { refused: "not-due" };
      if (status.stop !== null) return end(status, status.stop, null);
      const lost = status.state === "leased" ? "never-started" : "lease-lost";
      return fail(status, policy.isOwn ? "agent-stopped" : lost, null, policy, now);
    }
    case "timeout":
      if (!isActive || status.stop !== null || !isDue(status.deadlineAt)) return { refused: "not-due" };
      return cancel(status, "timed-out", policy, now);
    case "stopOverdue":
      if (!isActive || status.stop === null || !isDue(status.stopBy)) return { refused: "not-due" };
      return end(status, status.stop, null);
    case "queueExpired":
      if (isActive || !isDue(status.queueUntil)) return { refused: "not-due" };
      return end(status, "queue-expired", null);
    default:
      return kind satisfies never;
  }
}

/** An attempt failed: the job waits for another one, or is over. */
function fail(status: JobStatus, reason: JobReason, exitCode: number | null, policy: JobPolicy, now: number): Decided {
  const { counted } = consequenceOf(reason);
  const failures = status.failures + (counted ? 1 : 0);
  if (!isTriedAgain(status.attempt, failures, reason, exitCode, policy)) {
    return end({ ...status, failures }, reason, exitCode);
  }
  const pause = counted ? Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1)) : 0;
  const queued: JobStatus = {
    ...status,
    state: "queued",
    failures,
    stop: null,
    reason,
    exitCode,
    leaseExpiresAt: null,
    // Its attempts are relieved by one another, and go on with what was begun; an agent's begin to train once more.
    deadlineAt: policy.isOwn ? status.deadlineAt : null,
    stopBy: null,
    notBefore: now + pause,
    queueUntil: now + pause + policy.queueMs,
  };
  return { status: queued, effects: ["lease-ended", "queued-again"] };
}

function isTriedAgain(
  attempt: number,
  failures: number,
  reason: JobReason,
  exitCode: number | null,
  { attempts, retryOn, retryExitCodes }: JobPolicy,
): boolean {
  const { retryable, counted, state } = consequenceOf(reason);
  if (state !== "failed" || attempt >= MOST_ATTEMPTS) return false;
  if (!counted) return retryable;
  const isListed = exitCode !== null && retryExitCodes.includes(exitCode);
  const isWanted = retryable && (retryOn === undefined || retryOn.includes(reason));
  return (isListed || isWanted) && failures < attempts;
}

function end(status: JobStatus, reason: JobReason, exitCode: number | null): Decided {
  const ended: JobStatus = {
    ...status,
    state: consequenceOf(reason).state,
    reason,
    exitCode,
    leaseExpiresAt: null,
    deadlineAt: null,
    stopBy: null,
  };
  return { status: ended, effects: status.state === "queued" ? ["ended"] : ["lease-ended", "ended"] };
}
