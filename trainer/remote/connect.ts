import { setTimeout as sleep } from "node:timers/promises";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { CommandContext } from "../command-line/command.ts";
import { Failure } from "../failure.ts";
import { isHttpUrl, requireVariables } from "../storage/s3-settings.ts";
import { remoteFailure } from "./remote-failure.ts";

/** A worker, and the token with which it is asked. */
export interface WorkerAccess {
  readonly url: string;
  /** Undefined: only what is public. */
  readonly token: string | undefined;
}

/**
 * Reads EDGEFUSE_URL and EDGEFUSE_TOKEN. Tokens come from the environment alone: arguments show up in process lists.
 * @throws Failure `usage`
 */
export function workerAccess(
  environment: CommandContext["environment"],
  { needsToken = true }: { readonly needsToken?: boolean } = {},
): WorkerAccess {
  requireVariables(environment, needsToken ? ["EDGEFUSE_URL", "EDGEFUSE_TOKEN"] : ["EDGEFUSE_URL"]);
  const url = environment["EDGEFUSE_URL"] ?? "";
  if (!isHttpUrl(url)) throw new Failure("usage", `EDGEFUSE_URL is ${JSON.stringify(url)}; it is an http(s) URL.`);
  return { url, token: environment["EDGEFUSE_TOKEN"] || undefined };
}

export interface ConnectOptions {
  readonly fetch: typeof fetch;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that no pause before a repetition exceeds. */
  readonly longestWait?: number;
}

/** A worker as commands see it: its client, and its failures in the command line's terms. */
export interface RemoteWorker extends WorkerAccess {
  readonly client: EdgefuseClient;
  /** For messages. */
  readonly origin: string;
  /** Pauses; ends with the signal. */
  wait(milliseconds: number): Promise<void>;
  /**
   * Asks the worker for something.
   * @param what completes "the worker did not …", such as `delete the alias x`
   * @throws Failure as {@link remoteFailure} makes it; the signal's reason
   */
  ask<Answer>(what: string, asking: () => Promise<Answer>): Promise<Answer>;
}

/** Connects to a worker. Nothing is sent yet. */
export function connectWorker(
  access: WorkerAccess,
  { fetch, signal, longestWait = Number.POSITIVE_INFINITY }: ConnectOptions,
): RemoteWorker {
  const { origin } = new URL(access.url);
  const wait = (milliseconds: number) =>
    sleep(Math.min(milliseconds, longestWait), undefined, signal === undefined ? {} : { signal });
  const client = new EdgefuseClient({
    ...access,
    // A token must not follow a redirect to another host.
    fetch: (input, init) => fetch(input, { ...init, redirect: "error", ...(signal === undefined ? {} : { signal }) }),
    wait,
  });
  return {
    ...access,
    client,
    origin,
    wait,
    async ask(what, asking) {
      try {
        return await asking();
      } catch (error) {
        // A Failure says already what it means, also of an end that was asked for.
        if (error instanceof Failure) throw error;
        signal?.throwIfAborted();
        throw remoteFailure(error, access, what);
      }
    },
  };
}

/** The worker that the environment names. @throws Failure `usage` */
export function workerOf(
  { environment, fetch, signal }: CommandContext,
  options: { readonly needsToken?: boolean } = {},
): RemoteWorker {
  return connectWorker(workerAccess(environment, options), { fetch, signal });
}
