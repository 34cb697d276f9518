import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { problemSchema } from "../../shared/api/problem.ts";
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

/** Registering is idempotent, so a lost answer or an overloaded worker is simply asked again. */
const ATTEMPTS = 4;
const LONGEST_WAIT = 10_000;

/** The part of the answer that is used; the rest may grow. */
const registered = z.object({ id: checkpointId });

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
  const address = new URL("v1/checkpoints", url.endsWith("/") ? url : `${url}/`);
  let last: Failure | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) {
      await sleep(Math.min(backoff * 2 ** (attempt - 1), LONGEST_WAIT), undefined, signal ? { signal } : {});
    }
    let response: Response;
    try {
      response = await fetch(address, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ key }),
        redirect: "error", // the token must not follow a redirect to another host
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      last = new Failure(
        "unreachable",
        `The worker at ${address.origin} does not answer (${reason(error)}); check EDGEFUSE_URL.`,
        {
          cause: error,
        },
      );
      continue;
    }
    const body: unknown = await response.json().catch(() => undefined);
    if (response.ok) {
      const parsed = registered.safeParse(body);
      if (parsed.success) return { id: parsed.data.id, known: response.status === 200 };
      throw new Failure(
        "refused",
        `${address.origin} answered ${response.status} without a checkpoint; is it an edgefuse worker?`,
      );
    }
    last = refusal(response.status, body, key, address.origin);
    if (response.status < 500 && response.status !== 429) throw last;
  }
  throw last ?? new Failure("internal", "no attempt was made");
}

function refusal(status: number, body: unknown, key: string, origin: string): Failure {
  const parsed = problemSchema.safeParse(body);
  const detail = parsed.success ? `${parsed.data.detail} (${parsed.data.code})` : `HTTP ${status}`;
  const hint = status === 401 || status === 403 ? " Check EDGEFUSE_TOKEN." : "";
  return new Failure(kindOf(status), `${origin} did not register ${key}: ${detail}${hint}`);
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
