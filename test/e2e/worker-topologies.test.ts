import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { CheckpointDescription } from "../../shared/api/checkpoints.ts";
import type { PathProbe } from "../../shared/api/probes.ts";
import type { ProblemDocument } from "../../shared/api/problem.ts";
import type { TopologyDescription } from "../../shared/api/topologies.ts";
import { encodeShard } from "../../shared/evaluation/shard.ts";
import type { Architecture } from "../../shared/models/index.ts";
import { weightShapes } from "../../shared/models/index.ts";
import { encodeSafetensors } from "../../shared/safetensors/index.ts";
import { useCpuBackend } from "../support/cpu-backend.ts";
import { convolutionalGraph, GRAPH_CONSTANTS, GRAPH_WEIGHTS } from "../support/graph-models.ts";
import { asPytorch } from "../support/pytorch-layout.ts";
import { savedModel } from "../support/saved-model.ts";
import { randomWeights } from "../support/tiny-architectures.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;
beforeAll(async () => {
  await useCpuBackend();
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
}, 300_000);
afterAll(() => worker.close());

const SAMPLES = 7;
const INPUT = [6, 4, 2];
const X = Float32Array.from({ length: SAMPLES * 48 }, (_, index) => Math.sin(1.3 * index + 0.2));
const Y = Int32Array.from({ length: SAMPLES }, (_, index) => (index * 5) % 3);

async function shard(): Promise<string> {
  const file = encodeShard({ count: SAMPLES, inputShape: INPUT, x: X, y: Y, scale: 1, offset: 0 });
  return (await client.uploadShard(file)).id;
}

/** A model with a normalisation and a softmax, as people make them, with weights of its own. */
function kerasModel(): tfl.LayersModel {
  return tfl.sequential({
    layers: [
      tfl.layers.conv2d({ name: "conv", inputShape: [6, 4, 2], filters: 3, kernelSize: 3, activation: "relu" }),
      tfl.layers.batchNormalization({ name: "norm", gammaInitializer: "randomUniform" }),
      tfl.layers.flatten({ name: "flat" }),
      tfl.layers.dense({ name: "classes", units: 3, activation: "softmax" }),
    ],
  });
}

async function uploadModel(model: tfl.LayersModel): Promise<CheckpointDescription> {
  const { modelJson, weightData } = await savedModel(model);
  const form = new FormData();
  form.append("model.json", new Blob([JSON.stringify(modelJson)]), "model.json");
  form.append("weights.bin", new Blob([weightData]), "weights.bin");
  const response = await worker.fetch("/v1/checkpoints", { method: "POST", body: form });
  expect(response.status).toBe(201);
  return (await response.json()) as CheckpointDescription;
}

/** Mean cross-entropy of rows of probabilities. */
function lossOf(probabilities: ArrayLike<number>): number {
  return Y.reduce((sum, label, row) => sum - Math.log(probabilities[3 * row + label] ?? Number.NaN), 0) / SAMPLES;
}

async function probe(question: object): Promise<PathProbe> {
  const response = await worker.fetch("/v1/probes", {
    method: "POST",
    body: JSON.stringify({ points: 3, ...question }),
    headers: { "content-type": "application/json" },
  });
  const answer = (await response.json()) as PathProbe;
  expect(response.status, JSON.stringify(answer)).toBe(201);
  return answer;
}

const json = (method: string, body: unknown) => ({
  method,
  body: JSON.stringify(body),
  headers: { "content-type": "application/json" },
});

it("a TF.js model brings its topology along, and is evaluated as TF.js does", async () => {
  const models = [kerasModel(), kerasModel()];
  const [first, second] = [await uploadModel(models[0] ?? kerasModel()), await uploadModel(models[1] ?? kerasModel())];
  expect(first.topology).toMatch(/^[0-9a-f]{64}$/);
  expect(second.topology).toBe(first.topology);
  expect(first.metadata["edgefuse.topology"]).toBe(first.topology);

  const described = (await (await worker.fetch(`/v1/topologies/${first.topology}`)).json()) as TopologyDescription;
  expect(described).toMatchObject({
    id: first.topology,
    format: "layers-model",
    inputShape: INPUT,
    outputShape: [3],
    parameters: 3 * 3 * 2 * 3 + 3 + 4 * 3 + 24 * 3 + 3,
    parts: { BatchNormalization: 1, Conv2D: 1, Dense: 1, Flatten: 1 },
  });
  expect(described.weights.map(({ name }) => name)).toContain("norm/moving_variance");
  const listed = (await (await worker.fetch("/v1/topologies?format=layers-model")).json()) as { items: object[] };
  expect(listed.items).toEqual([expect.objectContaining({ id: first.topology })]);

  const shards = [await shard()];
  const { points } = await probe({ a: first.id, b: second.id, shards });
  for (const [index, model] of models.entries()) {
    const probabilities = tf.tidy(() => (model.predict(tf.tensor(X, [SAMPLES, ...INPUT])) as tf.Tensor).dataSync());
    expect(Math.abs((points[2 * index]?.loss ?? 0) / lossOf(probabilities) - 1)).toBeLessThan(1e-5);
  }
  // Statistics are recomputed in it as in our own networks.
  const recomputed = await probe({
    a: first.id,
    b: second.id,
    shards,
    statistics: "recomputed",
    calibration: shards[0],
  });
  expect(recomputed.points[0]?.loss).not.toBe(points[0]?.loss);

  // A checkpoint of it keeps it; what they are fused to knows it, too.
  const needed = await worker.fetch(`/v1/topologies/${first.topology}`, { method: "DELETE" });
  expect(needed.status).toBe(409);
  expect((await needed.json()) as ProblemDocument).toMatchObject({ code: "still-needed", count: 2 });
  const recipe = { method: "linear", inputs: [first, second].map(({ id }) => ({ checkpoint: id })) };
  const fusion = await worker.fetch("/v1/fusions", json("POST", { recipe, materialize: "eager" }));
  const fused = (await fusion.json()) as { id: string };
  const between = await probe({ a: first.id, b: fused.id, shards });
  expect(Math.abs((between.points[2]?.loss ?? 0) - (points[1]?.loss ?? 1))).toBeLessThan(1e-6);
});

it("a GraphModel's topology is registered once, and its weights are bound by name", async () => {
  const create = () => worker.fetch("/v1/topologies", json("POST", convolutionalGraph()));
  const response = await create();
  expect(response.status).toBe(201);
  const { id, format } = (await response.json()) as TopologyDescription;
  expect(format).toBe("graph-model");
  expect(response.headers.get("location")).toBe(`/v1/topologies/${id}`);
  expect((await create()).status).toBe(200);

  const checkpoints: string[] = [];
  for (const seed of [1n, 2n]) {
    const weights = randomWeights(
      Object.entries(GRAPH_WEIGHTS).map(([name, shape]) => ({ name, shape })),
      seed,
    );
    const tensors = new Map<
      string,
      { dtype: "F32" | "I32"; shape: readonly number[]; data: Uint8Array<ArrayBuffer> }
    >();
    for (const [name, { shape, values }] of weights) {
      const positive = values.map((value) => 0.1 + Math.abs(value));
      tensors.set(name, { dtype: "F32", shape, data: new Uint8Array(positive.buffer) });
    }
    for (const [name, values] of Object.entries(GRAPH_CONSTANTS)) {
      const data = new Uint8Array(Int32Array.from(values).buffer);
      tensors.set(name, { dtype: "I32", shape: [values.length], data });
    }
    checkpoints.push((await client.uploadCheckpoint(encodeSafetensors(tensors))).id);
  }
  const [a, b] = checkpoints;
  const answer = await probe({ a, b, shards: [await shard()], as: { topology: id } });
  expect(answer.samples).toBe(SAMPLES);
  expect(answer.points.every(({ loss }) => Number.isFinite(loss))).toBe(true);
  // Nothing of the catalog names it, so it may go.
  expect((await worker.fetch(`/v1/topologies/${id}`, { method: "DELETE" })).status).toBe(204);
  expect((await worker.fetch(`/v1/topologies/${id}`)).status).toBe(404);
  expect((await create()).status).toBe(201);
});

it("a state_dict of PyTorch is probed unchanged, with the same figures", async () => {
  const architecture: Architecture = { architecture: "mlp", input: INPUT, hidden: [5], classes: 3 };
  const ids: Record<"ours" | "theirs", string[]> = { ours: [], theirs: [] };
  for (const seed of [3n, 4n]) {
    const weights = randomWeights(weightShapes(architecture), seed);
    const encode = (name: string, { shape, values }: { shape: readonly number[]; values: Float32Array<ArrayBuffer> }) =>
      [name, { dtype: "F32" as const, shape, data: new Uint8Array(values.buffer) }] as const;
    const ours = [...weights].map(([name, weight]) => encode(name, weight));
    const named = { hidden_0: "fc1", output: "fc2" } as const;
    const theirs = [...weights].map(([name, weight]) => {
      const [layer = "", role] = name.split("/");
      const map = layer === "hidden_0" && role === "kernel" ? ([6, 4, 2] as const) : undefined;
      const module = layer === "output" ? named.output : named.hidden_0;
      return encode(`${module}.${role === "kernel" ? "weight" : "bias"}`, asPytorch(weight, map));
    });
    const metadata = { "edgefuse.model": JSON.stringify(architecture) };
    ids.ours.push((await client.uploadCheckpoint(encodeSafetensors(new Map(ours), metadata))).id);
    ids.theirs.push((await client.uploadCheckpoint(encodeSafetensors(new Map(theirs)))).id);
  }
  const shards = [await shard()];
  const expected = await probe({ a: ids.ours[0], b: ids.ours[1], shards });
  const found = await probe({
    a: ids.theirs[0],
    b: ids.theirs[1],
    shards,
    as: { architecture, layout: "pytorch" },
  });
  expect(found.points).toEqual(expected.points);
});

it("a sweep removes a topology that the catalog does not know, and a row whose object is lost", async () => {
  const [orphan, lost] = ["e".repeat(64), "f".repeat(64)];
  const { BUCKET, CATALOG } = worker.environment;
  await BUCKET.put(`topologies/${orphan}.json`, "{}");
  await CATALOG.prepare(
    `INSERT INTO topologies (id, format, input_shape, parameters, parts, created_at)
     VALUES (?, 'layers-model', '[1]', 0, '{}', '2020-01-01T00:00:00.000Z')`,
  )
    .bind(lost)
    .run();
  const findings: unknown[] = [];
  let cursor: string | null = null;
  do {
    const body: object = { dryRun: false, minAgeSeconds: 0, ...(cursor === null ? {} : { cursor }) };
    const report = (await (await worker.fetch("/v1/sweep", json("POST", body))).json()) as {
      findings: unknown[];
      next: string | null;
    };
    findings.push(...report.findings);
    cursor = report.next;
  } while (cursor !== null);
  expect(findings).toContainEqual({ kind: "orphan-object", what: `topologies/${orphan}.json`, bytes: 2 });
  expect(findings).toContainEqual({ kind: "row-without-object", what: `topologies/${lost}` });
  expect(await BUCKET.head(`topologies/${orphan}.json`)).toBeNull();
  expect((await worker.fetch(`/v1/topologies/${lost}`)).status).toBe(404);
});
