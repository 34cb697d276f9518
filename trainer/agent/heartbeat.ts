import type { HeartbeatAnswer, JobProgress } from "../../shared/api/jobs.ts";
import type { LeaseCalls } from "./lease-calls.ts";
import { failureText, isLeaseLost, isOutage } from "./persistence.ts";

/** Between two tries while the deployment does not answer: sooner than a heartbeat, so that a lease is not lost by it. */
const RETRY_MS = 2_000;

export interface HeartbeatOptions {
  readonly calls: Pick<LeaseCalls, "heartbeat">;
  readonly heartbeatSeconds: number;
  readonly progress: () => JobProgress | undefined;
  /** Called once, when the deployment wants the job stopped. */
  readonly onCancel: (reason: NonNullable<HeartbeatAnswer["reason"]>) => void;
  /** Called once, when the job is this agent's no longer. */
  readonly onLost: (why: string) => void;
  readonly note: (line: string) => void;
  /** Milliseconds without an answer after which the job counts as lost. */
  readonly patience: number;
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/**
 * Shows the deployment that a job is alive, until the signal is aborted or the job is lost. This runs in the agent, so
 * a job that computes without a pause is as alive as any.
 */
export async function beat(options: HeartbeatOptions, signal: AbortSignal): Promise<void> {
  const { calls, heartbeatSeconds, progress, onCancel, onLost, note, patience, wait, now } = options;
  let lastAnswer = now();
  let isSilent = false;
  let isCancelled = false;
  while (!signal.aborted) {
    let pause = 1_000 * heartbeatSeconds;
    try {
      const { cancel, reason } = await calls.heartbeat(progress());
      if (isSilent) note("the deployment answers again");
      isSilent = false;
      lastAnswer = now();
      if (cancel && !isCancelled) {
        isCancelled = true;
        onCancel(reason ?? "cancelled");
      }
    } catch (error) {
      if (signal.aborted) return;
      if (isLeaseLost(error)) return onLost(failureText(error));
      if (!isOutage(error)) note(`a heartbeat was refused: ${failureText(error)}`);
      else if (!isSilent) note(`the deployment does not answer (${failureText(error)}); the job goes on meanwhile`);
      isSilent = true;
      if (now() - lastAnswer >= patience) return onLost(`no answer for ${Math.round(patience / 1_000)} s`);
      pause = Math.min(pause, RETRY_MS);
    }
    await wait(pause, signal);
  }
}
