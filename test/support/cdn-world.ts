import { createHash } from "node:crypto";
import { expect } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { encodeSafetensors } from "../../shared/safetensors/index.ts";
import { linearModel } from "./checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "./worker-harness.ts";

/** Between the size of the two models below: one is a file, the other comes in shards. */
export const SHARD_BYTES = 64;

export const PLAIN = ["model.safetensors", "manifest.json", "model.json", "weights.bin", "config.json"] as const;
export const SHARDED = [
  ...["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
  ...["weights-00001-of-00003.bin", "weights-00003-of-00003.bin", "model.json", "manifest.json", "config.json"],
] as const;

export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

const f32 = (values: readonly number[]) => new Uint8Array(new Float32Array(values).buffer);

/** Sixteen inputs, two logits. */
export const wideModel = (shift: number) =>
  encodeSafetensors(
    new Map([
      [
        "output/kernel",
        { dtype: "F32", shape: [16, 2], data: f32(Array.from({ length: 32 }, (_, index) => index + shift)) },
      ],
      ["output/bias", { dtype: "F32", shape: [2], data: f32([shift, -shift]) }],
    ]),
    { "edgefuse.model": JSON.stringify({ architecture: "mlp", input: [4, 4], hidden: [], classes: 2 }) },
  );

/** A worker with two public models, and how a stranger reads them. */
export interface CdnWorld {
  readonly worker: WorkerHarness;
  readonly client: EdgefuseClient;
  /** A model of one file. */
  readonly plain: ModelId;
  /** One that comes in shards. */
  readonly sharded: ModelId;
  fuse(files: readonly Uint8Array<ArrayBuffer>[], more?: object): Promise<ModelId>;
  /** Without a token, and without following redirects. */
  get(path: string, headers?: Record<string, string>, method?: string): Promise<Response>;
  read(path: string, headers?: Record<string, string>): Promise<{ response: Response; bytes: Uint8Array<ArrayBuffer> }>;
}

export async function startCdnWorld(): Promise<CdnWorld> {
  const worker = await startWorker({ vars: { EDGEFUSE_SHARD_BYTES: String(SHARD_BYTES) } });
  const client = new EdgefuseClient({ url: worker.url, token: worker.token });
  const fuse: CdnWorld["fuse"] = async (files, more = {}) => {
    const inputs = [];
    for (const file of files) inputs.push({ checkpoint: (await client.uploadCheckpoint(file)).id });
    return (await client.createFusion({ recipe: { method: "linear", inputs }, ...more } as never)).id;
  };
  const get: CdnWorld["get"] = (path, headers = {}, method = "GET") =>
    fetch(worker.url + path, { method, headers: { "accept-encoding": "identity", ...headers }, redirect: "manual" });
  const read: CdnWorld["read"] = async (path, headers = {}) => {
    const response = await get(path, headers);
    return { response, bytes: new Uint8Array(await response.arrayBuffer()) };
  };
  const plain = await fuse([
    linearModel([1, 2, 3, 4, 5, 6, 7, 8], [1, 0]),
    linearModel([3, 2, 1, 0, 1, 2, 3, 4], [0, 1]),
  ]);
  const sharded = await fuse([wideModel(1), wideModel(3)]);
  for (const [name, model] of [
    ["cdn/plain", plain],
    ["cdn/sharded", sharded],
  ] as const) {
    const response = await worker.fetch(`/v1/aliases/${encodeURIComponent(name)}`, {
      method: "PUT",
      body: JSON.stringify({ model }),
      headers: { "content-type": "application/json" },
    });
    expect(response.status).toBe(201);
  }
  return { worker, client, plain, sharded, fuse, get, read };
}
