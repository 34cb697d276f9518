/** States of a job. The last four are final. */
export const JOB_STATES = ["queued", "leased", "running", "succeeded", "failed", "cancelled", "expired"] as const;

export type JobState = (typeof JOB_STATES)[number];
export type FinalState = Extract<JobState, "succeeded" | "failed" | "cancelled" | "expired">;

/** Whether a job in this state is over. (Here, so that clients take it without all that a spec may hold.) */
export function isFinal(state: JobState): state is FinalState {
  switch (state) {
    case "succeeded":
    case "failed":
    case "cancelled":
    case "expired":
      return true;
    case "queued":
    case "leased":
    case "running":
      return false;
    default:
      return state satisfies never;
  }
}

interface Consequence {
  /** What the job becomes, unless it is tried again. */
  readonly state: FinalState;
  /** Whether another attempt may mend it. */
  readonly retryable: boolean;
  /** Whether such an attempt is one of those that `retry.attempts` allows. What is nobody's fault does not count. */
  readonly counted: boolean;
  /** What a step of CI that waits for the job exits with, where no process of the job's own has an exit code. */
  readonly exitCode: number;
  readonly meaning: string;
}

const final = (state: FinalState, exitCode: number, meaning: string): Consequence => ({
  state,
  retryable: false,
  counted: true,
  exitCode,
  meaning,
});
const again = (exitCode: number, meaning: string): Consequence => ({
  state: "failed",
  retryable: true,
  counted: true,
  exitCode,
  meaning,
});
const uncounted = (exitCode: number, meaning: string): Consequence => ({ ...again(exitCode, meaning), counted: false });

/**
 * Why an attempt or a job ended: every reason there is, and what follows from it. Reasons are added, never renamed.
 * Only what is retryable is tried again, but for exit codes that a spec lists itself (`retry.exitCodes`).
 */
export const REASONS = {
  done: final("succeeded", 0, "it did what it was asked to"),
  cancelled: final("cancelled", 130, "someone cancelled it"),
  "parent-ended": final("cancelled", 130, "the pipeline that it is part of was cancelled or failed"),
  "timed-out": final("failed", 124, "an attempt took longer than `timeoutSeconds`"),
  "queue-expired": final("expired", 124, "no agent that fits took it within `queueSeconds`"),
  "bad-spec": final("failed", 2, "the options of the spec do not go together"),
  "bad-input": final("failed", 3, "a file or dataset is not what it should be"),
  refused: final("failed", 4, "something it needs was not found, or refused"),
  unreachable: again(5, "network or storage failed"),
  diverged: final("failed", 6, "training diverged"),
  "out-of-memory": final("failed", 7, "the model or the batch does not fit into memory"),
  "no-gpu": again(8, "the agent has no GPU that can be used; another one may"),
  "gate-refused": final("failed", 9, "a gate's limit is exceeded; nothing was published"),
  killed: final("failed", 137, "the process was killed outright (SIGKILL), most often for its memory"),
  crashed: again(1, "the process ended in a way that is not foreseen"),
  internal: again(1, "something failed inside edgefuse"),
  "agent-stopped": uncounted(75, "the agent stopped in good order, and handed the job back"),
  "lease-lost": again(75, "the agent was not heard of any more"),
  "never-started": again(75, "an agent took it and was not heard of again"),
} as const satisfies Record<string, Consequence>;

export type JobReason = keyof typeof REASONS;

export const JOB_REASONS = Object.keys(REASONS) as [JobReason, ...JobReason[]];

/** Reasons that `retry.on` may name: those that another attempt may mend, and that count. */
export const RETRY_REASONS = JOB_REASONS.filter((reason) => REASONS[reason].retryable && REASONS[reason].counted);

/** Reasons that an agent may give. The others are the deployment's to find. */
export const AGENT_REASONS = [
  ...["done", "bad-spec", "bad-input", "refused", "unreachable", "diverged", "out-of-memory", "no-gpu"],
  ...["gate-refused", "killed", "crashed", "internal", "agent-stopped"],
] as [AgentReason, ...AgentReason[]];

export type AgentReason = Exclude<
  JobReason,
  "cancelled" | "parent-ended" | "timed-out" | "queue-expired" | "lease-lost" | "never-started"
>;

export function consequenceOf(reason: JobReason): Consequence {
  return REASONS[reason];
}

/** 128 + the number of the signal, as shells report it. */
const SIGKILL_CODE = 137;

/**
 * What an exit code of the trainer says (`trainer/failure.ts` has the table of codes). Of one that was stopped by a
 * signal that nobody but the agent's machine can have sent, that it may go on elsewhere; 137 is never tried again blindly.
 * @param exitCode of the process; 128 + n of one that signal n ended
 */
export function reasonOfExitCode(exitCode: number): AgentReason {
  switch (exitCode) {
    case 0:
      return "done";
    case 1:
      return "internal";
    case 2:
      return "bad-spec";
    case 3:
      return "bad-input";
    case 4:
      return "refused";
    case 5:
      return "unreachable";
    case 6:
      return "diverged";
    case 7:
      return "out-of-memory";
    case 8:
      return "no-gpu";
    case 9:
      return "gate-refused";
    case 75:
    case 130:
    case 143:
      return "agent-stopped";
    case SIGKILL_CODE:
      return "killed";
    default:
      return "crashed";
  }
}

/**
 * What a step of CI that waited for a job exits with: the exit code of the job's own process where it failed with one,
 * else the reason's. A job that did not succeed never comes to 0.
 */
export function exitCodeOfJob(job: {
  readonly state: JobState;
  readonly reason: JobReason | null;
  readonly exitCode: number | null;
}): number {
  if (job.state === "succeeded") return 0;
  const { exitCode } = consequenceOf(job.reason ?? "internal");
  const isOwn = job.state === "failed" && job.reason !== "timed-out" && job.exitCode !== null && job.exitCode !== 0;
  return isOwn ? (job.exitCode ?? exitCode) : exitCode === 0 ? 1 : exitCode;
}
