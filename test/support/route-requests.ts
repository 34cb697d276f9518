import type { Scope } from "../../shared/api/tokens.ts";
import { type ConformanceWorld, jsonOf } from "./conformance-world.ts";

/** A request that is in order in every way; whether it is let in is another matter. */
export interface RouteRequest extends RequestInit {
  readonly path: string;
  readonly body?: NonNullable<RequestInit["body"]>;
}

/** What a route of the API wants, written down apart from the worker's own table. */
export interface RouteCase {
  /** The scopes of which each one alone opens it. */
  readonly needs: "public" | readonly Scope[];
  /** Of the answer to whoever is let in. */
  readonly status: number;
  /** Made for one use: what it changes or deletes is made along with it. */
  request(world: ConformanceWorld): RouteRequest | Promise<RouteRequest>;
}

export const octets = (method: string, body: Uint8Array<ArrayBuffer>) => ({
  method,
  body,
  headers: { "content-type": "application/octet-stream" },
});
export const reading = (needs: RouteCase["needs"], path: (world: ConformanceWorld) => string): RouteCase => ({
  needs,
  status: 200,
  request: (world) => ({ path: path(world) }),
});
export const deleting = (
  needs: RouteCase["needs"],
  status: number,
  prepare: (world: ConformanceWorld) => Promise<RouteRequest>,
): RouteCase => ({
  needs,
  status,
  request: async (world) => ({ method: "DELETE", ...(await prepare(world)) }),
});
export const pathsInfo = (repository: string): RouteCase => ({
  needs: "public",
  status: 200,
  request: () => ({
    path: `/api/models/${repository}/paths-info/main`,
    ...jsonOf("POST", { paths: ["model.safetensors"] }),
  }),
});
export const recipeOf = (...checkpoints: string[]) => ({
  method: "linear",
  inputs: checkpoints.map((checkpoint) => ({ checkpoint })),
});

export async function beginUpload({ worker, freshFile }: ConformanceWorld) {
  const file = freshFile();
  const response = await worker.fetch("/v1/uploads", jsonOf("POST", { bytes: file.length }));
  const { links } = (await response.json()) as { links: { self: string } };
  return { file, self: links.self };
}

/** A lazy fusion that is said to be queued: small ones are done before anyone can cancel them. */
export async function queueFusion({ worker, freshModel }: ConformanceWorld): Promise<string> {
  const id = await freshModel({ materialize: "lazy" });
  await worker.environment.CATALOG.prepare("UPDATE fusions SET state = 'queued' WHERE id = ?").bind(id).run();
  return id;
}

/** A topology that nobody had before: layers are told apart by their names. */
export function freshModelJson() {
  const config = { name: `dense-${crypto.randomUUID()}`, units: 2, batch_input_shape: [null, 3], activation: "linear" };
  return {
    modelTopology: { class_name: "Sequential", config: { name: "any", layers: [{ class_name: "Dense", config }] } },
  };
}

/** Where a topology of its own is. */
export async function freshTopology({ worker }: ConformanceWorld): Promise<string> {
  const response = await worker.fetch("/v1/topologies", jsonOf("POST", freshModelJson()));
  return ((await response.json()) as { links: { self: string } }).links.self;
}

/** A gate that a model of its own has passed. */
export async function freshGate({ client, checkpoint, freshCheckpoint }: ConformanceWorld): Promise<string> {
  const gate = { accuracyBarrier: { max: 1 }, dataset: "tiny" };
  const fusion = await client.createFusion({ recipe: recipeOf(checkpoint, await freshCheckpoint()), gate });
  return fusion.gate?.id ?? "";
}

export async function soupRequest({ checkpoint, freshCheckpoint }: ConformanceWorld) {
  return { checkpoints: [checkpoint, await freshCheckpoint()], dataset: "tiny" };
}

export const trainSpec = { version: 1, kind: "train" } as const;

export async function freshJob({ client }: ConformanceWorld): Promise<string> {
  // A label that no agent has, so that no other case's agent takes it.
  const resources = { labels: ["nobody"] };
  return (await client.jobs.create({ spec: { ...trainSpec, resources } })).id;
}

/** A job that an agent has: where it is, and the lease. */
export async function leasedJob(world: ConformanceWorld) {
  const { worker } = world;
  await worker.environment.CATALOG.prepare("DELETE FROM jobs WHERE state = 'queued'").run();
  await world.client.jobs.create({ spec: trainSpec });
  const response = await worker.fetch("/v1/jobs/claim", jsonOf("POST", claimBody()));
  const { job, lease } = (await response.json()) as { job: { id: string }; lease: { token: string } };
  return { path: `/v1/jobs/${job.id}`, headers: { "edgefuse-lease": lease.token } };
}

export const claimBody = () => ({
  agent: `agent-${crypto.randomUUID()}`,
  capabilities: { backends: ["wasm"], memoryBytes: 2 ** 30 },
});

export async function keptFile() {
  const body = new TextEncoder().encode("state");
  const digest = Buffer.from(await crypto.subtle.digest("SHA-256", body)).toString("base64");
  return { body, headers: { "content-type": "application/octet-stream", "repr-digest": `sha-256=:${digest}:` } };
}
