import { ApiError } from "../../shared/api/index.ts";
import { Failure } from "../failure.ts";
import { isNetworkError, reason } from "../remote/remote-failure.ts";

/** Thrown where the job is not this agent's any more; whatever it still does for it is refused. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

/** Pauses between tries, in milliseconds; the last one is repeated. */
const PAUSES_MS = [500, 1_000, 2_000, 5_000, 10_000];

export interface Persistence {
  /** Pauses; ends early, without an error, when the signal is aborted. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Milliseconds for which a deployment may be out of reach. */
  readonly patience: number;
  /** Aborted: it is asked once more, then given up. */
  readonly signal: AbortSignal;
}

/**
 * Asks until there is an answer, also while the deployment is down or busy.
 * @throws LeaseLost; ApiError or Failure where it is refused; the last failure where the patience is over
 */
export async function persistently<Answer>(
  ask: () => Promise<Answer>,
  { wait, now, patience, signal }: Persistence,
): Promise<Answer> {
  const began = now();
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (isLeaseLost(error)) throw new LeaseLost(error instanceof Error ? error.message : "lost", { cause: error });
      if (!isOutage(error) || signal.aborted || now() - began >= patience) throw error;
    }
    await wait(PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)] ?? 10_000, signal);
  }
}

/** Whether the failure says nothing about what was asked: nobody answered, or someone who was busy or broken. */
export function isOutage(error: unknown): boolean {
  if (isTooLarge(error)) return false;
  if (error instanceof ApiError) return error.status >= 500 || error.status === 429 || error.problem === undefined;
  if (error instanceof Failure) return error.kind === "unreachable";
  return isNetworkError(error) || (error instanceof Error && error.name === "TimeoutError");
}

/** Whether a body is larger than is taken: by the deployment, or by what stands before it and sends no problem document. */
export function isTooLarge(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 413;
}

/** Whether the job is another's, or none any more; a token that is good no longer comes to the same. */
export function isLeaseLost(error: unknown): boolean {
  if (error instanceof LeaseLost) return true;
  return error instanceof ApiError && (LOST_CODES.has(error.code) || error.status === 401 || error.status === 403);
}

const LOST_CODES = new Set(["lease-lost", "job-not-found"]);

/** One line about a failure, for a log. */
export function failureText(error: unknown): string {
  if (error instanceof ApiError) return `${error.detail} (${error.code})`;
  return error instanceof Failure ? error.message : reason(error);
}
