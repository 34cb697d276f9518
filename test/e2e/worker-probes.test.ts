import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import { encodeShard } from "../../shared/evaluation/shard.ts";
import type { CheckpointId, ShardId } from "../../shared/identity.ts";
import { decodeSafetensors, encodeSafetensors } from "../../shared/safetensors/index.ts";
import { f32Checkpoint, linearModel } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;
let shards: [ShardId, ShardId];
let a: CheckpointId;
let b: CheckpointId;

type Tensor = Parameters<typeof encodeSafetensors>[0] extends ReadonlyMap<string, infer Value> ? Value : never;

const KERNELS = [
  [0.5, -1, 2, 0.25, -0.5, 1, 1.5, -2],
  [-2, 1.5, 0.5, -1, 1, 2, -0.25, 0.75],
] as const;
const SAMPLES = [
  [0.1, 0.9, 0.3, 0.7],
  [0.8, 0.2, 0.6, 0.4],
  [0.5, 0.5, 0.1, 0.2],
  [0.9, 0.1, 0.2, 0.3],
  [0.3, 0.3, 0.9, 0.9],
];
const LABELS = [0, 1, 1, 0, 1];

function shardOf(from: number, to: number): Uint8Array<ArrayBuffer> {
  return encodeShard({
    count: to - from,
    inputShape: [2, 2],
    x: new Float32Array(SAMPLES.slice(from, to).flat()),
    y: new Int32Array(LABELS.slice(from, to)),
    scale: 1,
    offset: 0,
  });
}

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  const [first, second] = [await client.uploadShard(shardOf(0, 2)), await client.uploadShard(shardOf(2, 5))];
  shards = [first.id, second.id];
  await client.putDataset("tiny", { shards });
  a = (await client.uploadCheckpoint(linearModel(KERNELS[0], [0.5, -0.5]))).id;
  b = (await client.uploadCheckpoint(linearModel(KERNELS[1], [-1, 0.25]))).id;
});
afterAll(() => worker.close());

async function refused(method: string, path: string, body: unknown, status: number, code: string) {
  const before = await worker.snapshot();
  const isFile = body instanceof Uint8Array;
  const response = await worker.fetch(path, {
    method,
    body: isFile ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body),
    headers: { "content-type": isFile ? "application/octet-stream" : "application/json" },
  });
  expect(await response.json()).toMatchObject({ status, code });
  expect(response.status).toBe(status);
  expect(await worker.snapshot()).toBe(before);
}

/** The same network in float64, written out: loss and accuracy at one point of the path. */
function oracle(alpha: number): { loss: number; accuracy: number } {
  const between = (x: number, y: number) => x + alpha * (y - x);
  const bias = [between(0.5, -1), between(-0.5, 0.25)];
  let loss = 0;
  let correct = 0;
  SAMPLES.forEach((sample, row) => {
    const logits = bias.map((start, k) =>
      sample.reduce((sum, x, i) => sum + x * between(KERNELS[0][2 * i + k] ?? 0, KERNELS[1][2 * i + k] ?? 0), start),
    );
    const label = LABELS[row] ?? 0;
    loss += Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - (logits[label] ?? 0);
    if (logits.indexOf(Math.max(...logits)) === label) correct++;
  });
  return { loss: loss / SAMPLES.length, accuracy: correct / SAMPLES.length };
}

describe("datasets", () => {
  it("have versions that never change", async () => {
    const one = await client.putDataset("versions", { shards: [shards[0]] });
    expect(one).toMatchObject({ name: "versions", version: 1, samples: 2, inputShape: [2, 2] });
    expect(await client.putDataset("versions", { shards: [shards[0]] })).toEqual(one);
    const two = await client.putDataset("versions", { shards: [shards[1], shards[0]] });
    expect(two).toMatchObject({ version: 2, samples: 5, shards: [shards[1], shards[0]] });
    expect(await client.describeDataset("versions")).toEqual(two);
    expect(await client.describeDataset("versions", 1)).toEqual(one);
    const page = (await (await worker.fetch("/v1/datasets?limit=10")).json()) as { items: { name: string }[] };
    expect(page.items.filter(({ name }) => name === "versions")).toEqual([two]);
  });

  it("are refused with shards that are unknown or do not agree", async () => {
    const other = await client.uploadShard(
      encodeShard({ count: 1, inputShape: [3], x: new Float32Array(3), y: new Int32Array([0]), scale: 1, offset: 0 }),
    );
    const put = (ids: string[], status: number, code: string) =>
      refused("PUT", "/v1/datasets/mixed", { shards: ids }, status, code);
    await put([shards[0], "0".repeat(64)], 404, "shard-not-found");
    await put([shards[0], other.id], 422, "incompatible-dataset");
    await put([], 400, "malformed-request");
    await refused("PUT", "/v1/datasets/No%20Name", { shards: [shards[0]] }, 400, "malformed-request");
    expect((await worker.fetch("/v1/datasets/mixed")).status).toBe(404);
    expect((await worker.fetch("/v1/datasets/versions?version=9")).status).toBe(404);
  });
});

const labels = (values: number[]): Tensor => ({
  dtype: "I32",
  shape: [values.length],
  data: new Uint8Array(new Int32Array(values).buffer),
});

const shard = (tensors: Record<string, Tensor>) => encodeSafetensors(new Map(Object.entries(tensors)));

describe("shards", () => {
  it("are refused where they are none, and nothing is stored", async () => {
    const x: Tensor = { dtype: "F32", shape: [2, 1], data: new Uint8Array(8) };
    const bytes: Tensor = { dtype: "U8", shape: [2, 1], data: new Uint8Array(2) };
    const files = [
      shard({ x }),
      shard({ x, y: labels([0, 1, 2]) }),
      shard({ x, y: labels([0, -1]) }),
      shard({ x: bytes, y: labels([0, 1]) }),
    ];
    for (const file of files) await refused("POST", "/v1/shards", file, 422, "invalid-shard");
    await refused("POST", "/v1/shards", shardOf(0, 2).slice(0, -1), 422, "truncated-file");
    await refused("POST", "/v1/shards", new Uint8Array(17 * 2 ** 20), 413, "payload-too-large");
    await refused("POST", "/v1/shards", { key: `checkpoints/${a}.safetensors` }, 422, "invalid-key");
  });
});

const refusedProbe = (body: object, status: number, code: string) => refused("POST", "/v1/probes", body, status, code);

describe("a probe", () => {
  it("agrees with a float64 network at every point, however the data is sharded", async () => {
    const probe = await client.createProbe({ a, b, dataset: "tiny", points: 5 });
    expect(probe).toMatchObject({ a, b, shards, samples: 5 });
    expect(probe.points.map(({ alpha }) => alpha)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    for (const { alpha, loss, accuracy } of probe.points) {
      const expected = oracle(alpha);
      expect(accuracy).toBe(expected.accuracy);
      expect(Math.abs(loss / expected.loss - 1)).toBeLessThan(1e-5);
    }
    const whole = await client.uploadShard(shardOf(0, 5));
    const single = await client.createProbe({ a, b, shards: [whole.id], points: 5, batch: 2 });
    for (const [index, point] of single.points.entries()) {
      expect(point.accuracy).toBe(probe.points[index]?.accuracy);
      expect(Math.abs(point.loss - (probe.points[index]?.loss ?? 0))).toBeLessThan(1e-6);
    }
  });

  it("is answered once", async () => {
    const ask = (body: object) =>
      worker.fetch("/v1/probes", {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      });
    const [first, second] = await Promise.all([0, 1].map(() => ask({ a, b, shards, points: 3 })));
    const answers = await Promise.all([first?.json(), second?.json()]);
    expect([first?.status, second?.status].toSorted()).toEqual([200, 201]);
    expect(answers[0]).toEqual(answers[1]);
    const { id } = answers[0] as { id: string };
    // By name and by list it is the same question.
    const again = await ask({ a, b, dataset: "tiny", version: 1, points: 3, batch: 1 });
    expect([again.status, await again.json()]).toEqual([200, answers[0]]);
    expect(await (await worker.fetch(`/v1/probes/${id}`)).json()).toEqual(answers[0]);
    const chart = await worker.fetch(`/v1/probes/${id}/barrier.svg`);
    expect(chart.headers.get("content-type")).toContain("image/svg+xml");
    expect(chart.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(await chart.text()).toMatch(/^<svg /);
  });

  it("takes fused models as ends", async () => {
    const fusion = await client.createFusion({
      recipe: { method: "linear", inputs: [{ checkpoint: a }, { checkpoint: b }] },
    });
    const probe = await client.createProbe({ a, b: fusion.id, dataset: "tiny", points: 2 });
    expect(probe.points[1]?.accuracy).toBe(oracle(0.5).accuracy);
  });

  it("takes sharded checkpoints as ends, and answers as for the one file that they amount to", async () => {
    const { header, bytes } = decodeSafetensors(linearModel(KERNELS[1], [-1, 0.25]));
    const weight_map: Record<string, string> = {};
    const files: Record<string, string> = {};
    for (const [at, tensor] of header.tensors.entries()) {
      const name = `model-0000${at + 1}-of-00002.safetensors`;
      const { dtype, shape } = tensor;
      const file = encodeSafetensors(new Map([[tensor.name, { dtype, shape, data: bytes(tensor) }]]), header.metadata);
      weight_map[tensor.name] = name;
      files[name] = (await client.uploadCheckpoint(file)).id;
    }
    const registered = await worker.fetch("/v1/checkpoints", {
      method: "POST",
      body: JSON.stringify({ index: { metadata: {}, weight_map }, shards: files }),
      headers: { "content-type": "application/json" },
    });
    const { id: sharded } = (await registered.json()) as { id: CheckpointId };
    expect([registered.status, Object.keys(files)]).toEqual([201, expect.objectContaining({ length: 2 })]);
    const whole = await client.createProbe({ a, b, dataset: "tiny", points: 6 });
    const probe = await client.createProbe({ a, b: sharded, dataset: "tiny", points: 6 });
    expect(probe.b).toBe(sharded);
    expect(probe.points).toEqual(whole.points);
    const back = await client.createProbe({ a: sharded, b: a, dataset: "tiny", points: 6 });
    expect(back.points.map(({ accuracy }) => accuracy)).toEqual(
      whole.points.map(({ accuracy }) => accuracy).toReversed(),
    );
  });

  it("says which shard's object is lost", async () => {
    const file = encodeSafetensors(
      new Map([["w", { dtype: "F32", shape: [1], data: new Uint8Array(4) }]]),
      decodeSafetensors(linearModel(KERNELS[0], [0, 0])).header.metadata,
    );
    const { id } = await client.uploadCheckpoint(file);
    const index = { metadata: {}, weight_map: { w: "w.safetensors" } };
    const registered = await worker.fetch("/v1/checkpoints", {
      method: "POST",
      body: JSON.stringify({ index, shards: { "w.safetensors": id } }),
      headers: { "content-type": "application/json" },
    });
    const { id: sharded } = (await registered.json()) as { id: CheckpointId };
    await worker.environment.BUCKET.delete(`checkpoints/${id}.safetensors`);
    await refusedProbe({ a, b: sharded, dataset: "tiny", points: 7 }, 404, "object-not-found");
  });

  it("is refused where it makes no sense, and nothing is stored", async () => {
    const plain = (await client.uploadCheckpoint(f32Checkpoint({ w: [1] }))).id;
    const other = await client.uploadShard(
      encodeShard({
        count: 1,
        inputShape: [2, 2],
        x: new Float32Array(4),
        y: new Int32Array([7]),
        scale: 1,
        offset: 0,
      }),
    );
    await refusedProbe({ a, b: "0".repeat(64), dataset: "tiny" }, 404, "checkpoint-not-found");
    await refusedProbe({ a, b, dataset: "none" }, 404, "dataset-not-found");
    await refusedProbe({ a, b, shards: ["0".repeat(64)] }, 404, "shard-not-found");
    await refusedProbe({ a, b: plain, dataset: "tiny" }, 422, "unknown-architecture");
    await refusedProbe({ a, b, shards: [other.id] }, 422, "incompatible-dataset");
    await refusedProbe({ a, b }, 400, "malformed-request");
    await refusedProbe({ a, b, dataset: "tiny", shards }, 400, "malformed-request");
    await refusedProbe({ a, b, dataset: "tiny", points: 1 }, 400, "malformed-request");
    await refusedProbe({ a: "x", b, dataset: "tiny" }, 400, "malformed-request");
    expect((await worker.fetch(`/v1/probes/${"0".repeat(64)}`)).status).toBe(404);
    // The engine is free for the next one.
    expect((await client.createProbe({ a, b, dataset: "tiny", points: 4 })).points).toHaveLength(4);
  });
});
