import { ApiError } from "../../shared/api/index.ts";
import { Failure, type FailureKind } from "../failure.ts";
import type { WorkerAccess } from "./connect.ts";

/**
 * What an error of the client means for whoever runs a command: `refused` (401, 403, 404 and conflicts with what is
 * there), `gate-refused`, `bad-input` (other 4xx: the worker says why), `unreachable` (429, 5xx, no answer).
 * @param what was asked: completes "the worker did not …"
 */
export function remoteFailure(error: unknown, { url, token }: WorkerAccess, what: string): unknown {
  const { origin } = new URL(url);
  if (error instanceof ApiError) {
    const { status, problem, detail, code } = error;
    const said = problem === undefined ? `HTTP ${status}; is it an edgefuse worker?` : `${detail} (${code})`;
    const kind = code === "gate-refused" ? "gate-refused" : kindOf(status);
    return new Failure(kind, `${origin} did not ${what}: ${said}${hintOf(status, token)}`, { cause: error });
  }
  // Of all that a fetch resolves with, only a body that is not JSON is a syntax error.
  if (error instanceof SyntaxError) return noWorker(url);
  if (!isNetworkError(error)) return error;
  const message = `The worker at ${origin} does not answer (${reason(error)}); check EDGEFUSE_URL.`;
  return new Failure("unreachable", message, { cause: error });
}

/** Whoever answers there speaks another language. */
export function noWorker(url: string): Failure {
  return new Failure("refused", `${new URL(url).origin} answered something else; is it an edgefuse worker?`);
}

/** Whether the network failed: fetch says so by a TypeError with a cause, before the answer and within its body. */
export function isNetworkError(error: unknown): error is TypeError {
  return error instanceof TypeError && (error.cause instanceof Error || error.message === "fetch failed");
}

/** `ECONNREFUSED`, or whatever words there are. */
export function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
}

function kindOf(status: number): FailureKind {
  switch (status) {
    case 401:
    case 403:
    case 404:
    case 409:
    case 412:
    case 428:
      return "refused";
    default:
      return status >= 500 || status === 429 ? "unreachable" : "bad-input";
  }
}

function hintOf(status: number, token: string | undefined): string {
  if (status === 401 || status === 403) return token === undefined ? " Set EDGEFUSE_TOKEN." : " Check EDGEFUSE_TOKEN.";
  return "";
}
