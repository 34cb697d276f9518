import type { ClaimedJob, CreatedJob, JobDescription } from "../../../shared/api/jobs.ts";
import type { CreatedToken, Scope } from "../../../shared/api/tokens.ts";
import { createApp } from "../../../worker/app.ts";
import type { Environment } from "../../../worker/environment.ts";
import { sweepJobs } from "../../../worker/jobs/sweep.ts";
import { bindings } from "../migrations.ts";

/** Of this deployment; the heartbeats of its agents are a second apart. */
export const environment: Environment = {
  ...bindings,
  EDGEFUSE_HEARTBEAT_SECONDS: 1,
  EDGEFUSE_RATE_LIMIT: 1e6,
  EDGEFUSE_WRITE_RATE_LIMIT: 1e6,
};

let clock = Date.parse("2026-05-04T10:00:00Z");

/** Sets the clock on; also back. */
export function pass(milliseconds: number): void {
  clock += milliseconds;
}

const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
export const sources = {
  now: () => new Date(clock),
  uniqueName: () => crypto.randomUUID(),
  randomBytes,
  log: () => undefined,
};
const app = createApp(sources);

const ADMIN = bindings.EDGEFUSE_ADMIN_TOKEN ?? "";

/**
 * A request as the worker gets it, with the admin's token unless another is given. The runtime is done with it when all
 * that it left for afterwards is.
 */
export async function send(path: string, init: RequestInit = {}, token = ADMIN): Promise<Response> {
  const { response, waited } = await answer(path, init, token);
  if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) await Promise.allSettled(waited);
  return response;
}

/** A request's answer as its client gets it, and what goes on after it. */
export async function answer(
  path: string,
  init: RequestInit = {},
  token = ADMIN,
): Promise<{ readonly response: Response; readonly waited: readonly Promise<unknown>[] }> {
  const waited: Promise<unknown>[] = [];
  const context = {
    waitUntil: (promise: Promise<unknown>) => waited.push(promise),
    passThroughOnException: () => undefined,
    props: {},
  } as unknown as ExecutionContext;
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${token}`);
  return { response: await app.request(path, { ...init, headers }, environment, context), waited };
}

export const json = (method: string, body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method,
  body: JSON.stringify(body),
  headers: { "content-type": "application/json", ...headers },
});

export async function tokenFor(...scopes: Scope[]): Promise<string> {
  const response = await send("/v1/tokens", json("POST", { name: scopes.join(), scopes }));
  return ((await response.json()) as CreatedToken).token;
}

const spec = { version: 1, kind: "train" };

export async function post(members: object = {}, request: object = {}, token?: string): Promise<CreatedJob> {
  const response = await send("/v1/jobs", json("POST", { spec: { ...spec, ...members }, ...request }), token);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as CreatedJob;
}

const capabilities = { kinds: ["train", "experiment"], backends: ["wasm"], memoryBytes: 2 ** 30, labels: [] };

/** A request for a job. */
export const claimRequest = (agent = "agent-1", able: object = {}): RequestInit =>
  json("POST", { agent, capabilities: { ...capabilities, ...able } });

export async function claim(agent?: string, able?: object): Promise<ClaimedJob | undefined> {
  const response = await send("/v1/jobs/claim", claimRequest(agent, able));
  if (response.status === 204) return undefined;
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as ClaimedJob;
}

/** The next job, which there is. */
export async function claimed(agent?: string, able?: object): Promise<ClaimedJob> {
  const found = await claim(agent, able);
  if (found === undefined) throw new Error("nothing waits");
  return found;
}

/** A request of an agent that has a job, or had it. */
export function asHolder(
  { job, lease }: ClaimedJob,
  path: string,
  init: RequestInit,
  token?: string,
): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("edgefuse-lease", lease.token);
  return send(`/v1/jobs/${job.id}/${path}`, { ...init, headers }, token);
}

export const beat = (held: ClaimedJob, progress?: object) =>
  asHolder(held, "heartbeat", json("POST", progress === undefined ? {} : { progress }));
export const complete = (held: ClaimedJob, end: object) => asHolder(held, "complete", json("POST", end));
export const writeLog = (held: ClaimedJob, offset: number, text: string | Uint8Array<ArrayBuffer>) =>
  asHolder(held, `log?offset=${offset}`, { method: "POST", body: text, headers: { "content-type": "text/plain" } });

export async function look(id: string): Promise<JobDescription> {
  return (await (await send(`/v1/jobs/${id}`)).json()) as JobDescription;
}

export const sweep = () => sweepJobs(environment, sources);

/** Leaves no job to be claimed. */
export async function emptyQueue(): Promise<void> {
  await environment.CATALOG.prepare("DELETE FROM jobs").run();
}

/** Code of a problem, or else the status. */
export async function outcomeOf(response: Response): Promise<string | number> {
  if (response.ok) return response.status;
  return ((await response.json()) as { code: string }).code;
}
