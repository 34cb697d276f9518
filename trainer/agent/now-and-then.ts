import { failureText, isLeaseLost, isOutage } from "./persistence.ts";

export interface NowAndThen {
  /** Milliseconds between the end of one time and the next. */
  readonly interval: number;
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Called once, when the job is another's; nothing more is done then. */
  readonly onLost: (why: string) => void;
  readonly note: (line: string) => void;
}

/**
 * Does something again and again beside a job, until the signal is aborted. What fails is tried the next time; an outage
 * is somebody else's to tell of, any other failure is told of once.
 */
export async function nowAndThen(
  work: () => Promise<void>,
  { interval, wait, onLost, note }: NowAndThen,
  signal: AbortSignal,
): Promise<void> {
  let complaint: string | undefined;
  for (;;) {
    await wait(interval, signal);
    if (signal.aborted) return;
    try {
      await work();
    } catch (error) {
      const text = failureText(error);
      if (isLeaseLost(error)) return onLost(text);
      if (!isOutage(error) && text !== complaint) note(text);
      complaint = text;
    }
  }
}
