import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient, type FusionDescription } from "../../shared/api/index.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { f32Checkpoint } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;

beforeAll(async () => {
  worker = await startWorker({ vars: { EDGEFUSE_SHARD_BYTES: "16" } });
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
});
afterAll(() => worker.close());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const post = (path: string, body: unknown) =>
  worker.fetch(path, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
const fuse = async (checkpoints: readonly string[], materialize: "eager" | "lazy" = "eager") => {
  const recipe = { method: "linear", inputs: checkpoints.map((checkpoint) => ({ checkpoint })) };
  return (await (await post("/v1/fusions", { recipe, materialize })).json()) as FusionDescription;
};
const bytesOf = async (path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(worker.url + path, { headers: { "accept-encoding": "identity", ...headers } });
  return {
    status: response.status,
    etag: response.headers.get("etag"),
    bytes: new Uint8Array(await response.arrayBuffer()),
  };
};

describe("a model that is too large for one file of a CDN", () => {
  it("is served as shards, computed or stored, with the tensors of the whole", async () => {
    const upload = async (shift: number) =>
      (await client.uploadCheckpoint(f32Checkpoint({ a: [1 + shift, 2], b: [3, 4 + shift], c: [5, 6, 7, shift] }))).id;
    const { id } = await fuse([await upload(0), await upload(2)], "lazy");
    const read = async () => {
      const index = await bytesOf(`/models/${id}/model.safetensors.index.json`);
      const { weight_map } = JSON.parse(new TextDecoder().decode(index.bytes)) as {
        weight_map: Record<string, string>;
      };
      const files = new Map<string, Awaited<ReturnType<typeof bytesOf>>>();
      for (const file of new Set(Object.values(weight_map))) {
        const whole = await bytesOf(`/models/${id}/${file}`);
        files.set(file, whole);
        const part = await bytesOf(`/models/${id}/${file}`, { range: "bytes=3-200" });
        expect([part.status, sha256(part.bytes)]).toEqual([206, sha256(whole.bytes.slice(3, 201))]);
      }
      return { weight_map, files };
    };
    const lazy = await read();
    expect(lazy.weight_map).toEqual({
      a: "model-00001-of-00002.safetensors",
      b: "model-00001-of-00002.safetensors",
      c: "model-00002-of-00002.safetensors",
    });
    const values = Object.fromEntries(
      [...lazy.files.values()].flatMap(({ bytes: file }) => {
        const { header, bytes } = decodeSafetensors(file);
        return header.tensors.map((tensor) => [tensor.name, [...new Float32Array(bytes(tensor).slice().buffer)]]);
      }),
    );
    expect(values).toEqual({ a: [2, 2], b: [3, 5], c: [5, 6, 7, 1] });
    const { sha256: stored } = await fuse([await upload(0), await upload(2)]);
    expect(stored).not.toBeNull();
    expect(await read()).toEqual(lazy);
    for (const name of ["model-00003-of-00002.safetensors", "model-00001-of-00003.safetensors", "other.txt"]) {
      expect((await bytesOf(`/models/${id}/${name}`)).status).toBe(404);
    }
  });
});

describe("a sharded checkpoint", () => {
  it("is one input, as if it were one file", async () => {
    const one = (await client.uploadCheckpoint(f32Checkpoint({ a: [1, 2], b: [3, 4] }))).id;
    const shards = {
      "model-00001-of-00002.safetensors": (await client.uploadCheckpoint(f32Checkpoint({ a: [3, 4] }))).id,
      "model-00002-of-00002.safetensors": (await client.uploadCheckpoint(f32Checkpoint({ b: [5, 8] }))).id,
    };
    const index = {
      metadata: { total_size: 16 },
      weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
    };
    const registered = await post("/v1/checkpoints", { index, shards });
    const composite = (await registered.json()) as { id: string; tensors: number };
    expect([registered.status, composite.tensors]).toEqual([201, 2]);
    const again = await post("/v1/checkpoints", { shards, index });
    expect([again.status, await again.json()]).toEqual([200, composite]);

    const { id } = await fuse([one, composite.id]);
    const { header, bytes } = decodeSafetensors(await client.fetchModel(id));
    expect(
      Object.fromEntries(header.tensors.map((t) => [t.name, [...new Float32Array(bytes(t).slice().buffer)]])),
    ).toEqual({ a: [2, 3], b: [4, 6] });
    const file = await worker.fetch(`/v1/checkpoints/${composite.id}/model.safetensors`);
    expect(decodeSafetensors(new Uint8Array(await file.arrayBuffer())).header.tensors.map(({ name }) => name)).toEqual([
      "a",
      "b",
    ]);

    const { "model-00002-of-00002.safetensors": _, ...missing } = shards;
    const refused = await post("/v1/checkpoints", { index, shards: missing });
    expect([refused.status, await refused.json()]).toEqual([
      404,
      expect.objectContaining({ code: "checkpoint-not-found", file: "model-00002-of-00002.safetensors" }),
    ]);
  });
});

describe("a TF.js model", () => {
  it("posted as model.save() does becomes a checkpoint", async () => {
    const model = {
      format: "layers-model",
      modelTopology: null,
      weightsManifest: [
        {
          paths: ["./model.weights.bin"],
          weights: [
            { name: "output/kernel", shape: [2, 2], dtype: "float32" },
            {
              name: "output/bias",
              shape: [2],
              dtype: "float32",
              quantization: { dtype: "uint8", min: -1, scale: 0.5 },
            },
          ],
        },
      ],
    };
    const weights = new Uint8Array(18);
    weights.set(new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer));
    weights.set([2, 4], 16);
    const form = new FormData();
    form.append("model.json", new Blob([JSON.stringify(model)], { type: "application/json" }), "model.json");
    form.append("model.weights.bin", new Blob([weights]), "model.weights.bin");
    const response = await worker.fetch("/v1/checkpoints", { method: "POST", body: form });
    const checkpoint = (await response.json()) as { id: string };
    expect(response.status).toBe(201);
    const file = new Uint8Array(
      await (await worker.fetch(`/v1/checkpoints/${checkpoint.id}/model.safetensors`)).arrayBuffer(),
    );
    expect(sha256(file)).toBe(checkpoint.id);
    const { header, bytes } = decodeSafetensors(file);
    expect(
      Object.fromEntries(header.tensors.map((t) => [t.name, [...new Float32Array(bytes(t).slice().buffer)]])),
    ).toEqual({ "output/kernel": [1, 2, 3, 4], "output/bias": [0, 1] });
  });
});
