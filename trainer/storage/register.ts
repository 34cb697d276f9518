import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, EdgefuseClient } from "../../shared/api/index.ts";
import { checkpointId, type CheckpointId } from "../../shared/identity.ts";
import { Failure, type FailureKind } from "../failure.ts";
import { isHttpUrl, requireVariables } from "./s3-settings.ts";

/** A worker and the token it accepts. */
export interface WorkerAccess {
  readonly url: string;
  readonly token: string;
}

/**
 * Reads EDGEFUSE_URL and EDGEFUSE_TOKEN.
 * @throws Failure `usage`
 */
export function workerAccess(environment: Readonly<Record<string, string | undefined>>): WorkerAccess {
  requireVariables(environment, ["EDGEFUSE_URL", "EDGEFUSE_TOKEN"]);
  const url = environment["EDGEFUSE_URL"] ?? "";
  if (!isHttpUrl(url)) throw new Failure("usage", `EDGEFUSE_URL is ${JSON.stringify(url)}; it is an http(s) URL.`);
  return { url, token: environment["EDGEFUSE_TOKEN"] ?? "" };
}

export interface RegisterOptions {
  readonly fetch: typeof fetch;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds before the second try, doubled for each further one. */
  readonly backoff?: number;
}

/** Registering is idempotent, so a lost answer is simply asked for again; a busy worker is the client's to wait for. */
const ATTEMPTS = 4;
const LONGEST_WAIT = 10_000;

/**
 * Registers an object of the bucket as a checkpoint (`POST /v1/checkpoints`).
 * @returns its id, and whether the worker knew it already
 * @throws Failure `refused` (401, 403, 404), `bad-input` (other 4xx: the worker says why), `unreachable`
 */
export async function registerCheckpoint(
  { url, token }: WorkerAccess,
  key: string,
  { fetch, signal, backoff = 500 }: RegisterOptions,
): Promise<{ readonly id: CheckpointId; readonly known: boolean }> {
  const pause = (milliseconds: number) =>
    sleep(Math.min(milliseconds, LONGEST_WAIT), undefined, signal === undefined ? {} : { signal });
  let known = false;
  const client = new EdgefuseClient({
    url,
    token,
    fetch: async (input, init) => {
      // The token must not follow a redirect to another host.
      const request: RequestInit = { ...init, redirect: "error", ...(signal === undefined ? {} : { signal }) };
      const response = await fetch(input, request);
      known = response.status === 200;
      return response;
    },
    wait: (milliseconds) => pause(Math.min(milliseconds, 4 * backoff)),
  });
  for (let attempt = 1; ; attempt++) {
    try {
      const id = checkpointId.safeParse((await client.registerCheckpoint(key)).id);
      if (id.success) return { id: id.data, known };
      throw noWorker(url);
    } catch (error) {
      signal?.throwIfAborted();
      const { failure, again } = failureOf(error, url, key);
      if (!again || attempt === ATTEMPTS) throw failure;
      await pause(backoff * 2 ** (attempt - 1));
    }
  }
}

/** What an error means for the caller, and whether asking again may help. */
function failureOf(error: unknown, url: string, key: string): { readonly failure: Failure; readonly again: boolean } {
  const { origin } = new URL(url);
  if (error instanceof Failure) return { failure: error, again: false };
  // Of all that a fetch resolves with, only a body that is not JSON is a syntax error.
  if (error instanceof SyntaxError) return { failure: noWorker(url), again: false };
  if (error instanceof ApiError) {
    const { status, problem } = error;
    const detail = problem === undefined ? `HTTP ${status}` : `${problem.detail} (${problem.code})`;
    const hint = status === 401 || status === 403 ? " Check EDGEFUSE_TOKEN." : "";
    const failure = new Failure(kindOf(status), `${origin} did not register ${key}: ${detail}${hint}`);
    return { failure, again: status === 429 || (status >= 500 && status !== 503) };
  }
  const message = `The worker at ${origin} does not answer (${reason(error)}); check EDGEFUSE_URL.`;
  return { failure: new Failure("unreachable", message, { cause: error }), again: true };
}

function noWorker(url: string): Failure {
  return new Failure("refused", `${new URL(url).origin} answered without a checkpoint; is it an edgefuse worker?`);
}

function kindOf(status: number): FailureKind {
  if (status === 401 || status === 403 || status === 404) return "refused";
  return status >= 500 || status === 429 ? "unreachable" : "bad-input";
}

function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
}
