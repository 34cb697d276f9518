import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { ProblemDocument } from "../../shared/api/problem.ts";
import type { ProblemCode } from "../../shared/problem.ts";
import { encodeSafetensors } from "../../shared/safetensors/index.ts";
import { f32Checkpoint, linearModel } from "../support/checkpoint-files.ts";
import { changedGraph, convolutionalGraph } from "../support/graph-models.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

/**
 * Everything that can be wrong with what a probe is asked about, its models or its samples: one clear problem each, and
 * nothing stored.
 */
let worker: WorkerHarness;
/** Ids of what is in order, by a word. */
let known: Readonly<Record<string, string>>;
beforeAll(async () => {
  worker = await startWorker();
  const client = new EdgefuseClient({ url: worker.url, token: worker.token });
  const topology = await post("/v1/topologies", denseTopology());
  const [a, b, bare, torch, shard, wide, high, regression, tokens] = await Promise.all([
    client.uploadCheckpoint(linearModel([1, 2, 3, 4, 5, 6, 7, 8], [1, 0])),
    client.uploadCheckpoint(linearModel([8, 7, 6, 5, 4, 3, 2, 1], [0, 1])),
    client.uploadCheckpoint(f32Checkpoint({ w: [1, 2, 3] })),
    client.uploadCheckpoint(matrices({ "fc.weight": [2, 4], "fc.bias": [3] })),
    client.uploadShard(shardFile({ x: [2, 2, 2], y: [0, 1] })),
    client.uploadShard(shardFile({ x: [2, 3, 3], y: [0, 1] })),
    client.uploadShard(shardFile({ x: [2, 2, 2], y: [0, 2] })),
    client.uploadShard(shardFile({ x: [2, 2, 2], targets: [2, 5] })),
    client.uploadShard(shardFile({ x: [2, 2, 2], labels: [2, 3] })),
  ]);
  const other = await client.uploadCheckpoint(
    f32Checkpoint({ w: [1] }, { "edgefuse.model": JSON.stringify({ architecture: "mixer", input: [4], classes: 2 }) }),
  );
  const architecture = { architecture: "mlp", input: [2, 2], hidden: [3], classes: 2 };
  const shapes = { "hidden_0/kernel": [4, 3], "hidden_0/bias": [3], "output/kernel": [3, 2], "output/bias": [2] };
  const deep = await client.uploadCheckpoint(matrices(shapes, { "edgefuse.model": JSON.stringify(architecture) }));
  const all = { a, b, bare, torch, shard, wide, high, regression, tokens, other, deep };
  known = {
    ...Object.fromEntries(Object.entries(all).map(([name, { id }]) => [name, id])),
    topology: ((await topology.json()) as { id: string }).id,
  };
}, 300_000);
afterAll(() => worker.close());

const post = (path: string, body: unknown) =>
  worker.fetch(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
const postBytes = (path: string, body: Uint8Array<ArrayBuffer>) =>
  worker.fetch(path, { method: "POST", body, headers: { "content-type": "application/octet-stream" } });

interface Parts {
  readonly x?: readonly number[];
  readonly y?: readonly number[];
  /** Shape of `y` as float32. */
  readonly targets?: readonly number[];
  /** Shape of `y` as int32. */
  readonly labels?: readonly number[];
  readonly value?: number;
}

/** A shard, or what is none: `x` of a shape, filled with a value, and labels. */
function shardFile({ x, y, targets, labels, value = 0.5 }: Parts): Uint8Array<ArrayBuffer> {
  const tensors = new Map<string, { dtype: "F32" | "I32"; shape: readonly number[]; data: Uint8Array<ArrayBuffer> }>();
  const floats = (shape: readonly number[]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    return new Uint8Array(new Float32Array(count).fill(value).buffer);
  };
  if (x !== undefined) tensors.set("x", { dtype: "F32", shape: x, data: floats(x) });
  if (y !== undefined) {
    tensors.set("y", { dtype: "I32", shape: [y.length], data: new Uint8Array(Int32Array.from(y).buffer) });
  }
  if (targets !== undefined) tensors.set("y", { dtype: "F32", shape: targets, data: floats(targets) });
  if (labels !== undefined) {
    const count = labels.reduce((product, size) => product * size, 1);
    tensors.set("y", { dtype: "I32", shape: labels, data: new Uint8Array(new Int32Array(count).buffer) });
  }
  return encodeSafetensors(tensors);
}

/** A checkpoint of zeros. */
function matrices(
  shapes: Readonly<Record<string, readonly number[]>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  return encodeSafetensors(
    new Map(
      Object.entries(shapes).map(([name, shape]) => {
        const count = shape.reduce((product, size) => product * size, 1);
        return [name, { dtype: "F32" as const, shape, data: new Uint8Array(4 * count) }];
      }),
    ),
    metadata,
  );
}

function denseTopology(kind = "Dense", units = 2) {
  const config = { name: "only", units, batch_input_shape: [null, 3], activation: "linear" };
  return {
    modelTopology: { class_name: "Sequential", config: { name: "any", layers: [{ class_name: kind, config }] } },
  };
}

/** The request is refused for this reason, in these words, and nothing has changed. */
async function refused(code: ProblemCode, words: string, request: () => Promise<Response>): Promise<void> {
  const before = await worker.snapshot();
  const response = await request();
  const problem = (await response.json()) as ProblemDocument;
  expect(problem).toMatchObject({ code });
  expect(response.headers.get("content-type")).toContain("application/problem+json");
  expect(problem.detail).toContain(words);
  expect(await worker.snapshot()).toBe(before);
}

describe("shards", () => {
  it.each<[string, Parts, ProblemCode, string]>([
    ["without labels", { x: [2, 2, 2] }, "invalid-shard", "x and y"],
    ["without samples", { y: [0, 1] }, "invalid-shard", "x and y"],
    ["with more labels than samples", { x: [2, 2, 2], y: [0, 1, 0] }, "invalid-shard", "[2,2,2]"],
    ["with a label below 0", { x: [2, 2, 2], y: [0, -1] }, "invalid-shard", "Label 1 is -1"],
    ["of nothing", { x: [0, 2, 2], y: [] }, "invalid-shard", "no samples"],
    ["with a value that is not finite", { x: [2, 2, 2], y: [0, 1], value: Number.NaN }, "invalid-shard", "NaN"],
  ])("%s", (_, parts, code, words) => refused(code, words, () => postBytes("/v1/shards", shardFile(parts))));
});

describe("topologies", () => {
  const node = (op: string) =>
    changedGraph((nodes) => nodes.map((one) => (one.name === "model/pool/MaxPool" ? { ...one, op } : one)));

  it.each<[string, () => unknown, ProblemCode, string]>([
    ["with a layer that is not supported", () => denseTopology("Lambda"), "unsupported-topology", '"only" is a Lambda'],
    ["with an operation that is not supported", () => node("While"), "unsupported-topology", "is a While"],
    ["larger than any isolate", () => denseTopology("Dense", 4_000_000), "too-large-for-isolate", "numbers"],
    ["without a topology", () => ({ weightsManifest: [] }), "malformed-tfjs-model", "modelTopology"],
    ["without an input", () => changedGraph((nodes) => nodes.slice(1)), "malformed-tfjs-model", 'no node "x"'],
    ["that are a list", () => [], "malformed-tfjs-model", "modelTopology"],
  ])("%s", (_, body, code, words) => refused(code, words, () => post("/v1/topologies", body())));

  it("that are no JSON, or another type, or too large", async () => {
    const send =
      (body: string, type = "application/json") =>
      () =>
        worker.fetch("/v1/topologies", { method: "POST", body, headers: { "content-type": type } });
    await refused("malformed-tfjs-model", "JSON", send("{"));
    await refused("unsupported-media-type", "application/json", send("{}", "text/plain"));
    await refused("payload-too-large", "4194304", send(JSON.stringify(convolutionalGraph()).padEnd(2 ** 22 + 1)));
  });
});

describe("questions", () => {
  type Ids = Readonly<Record<string, string>>;
  const missing = "f".repeat(64);
  const path =
    (a: string, b: string, shard: string, more: object = {}) =>
    (ids: Ids) => ({
      a: ids[a] ?? a,
      b: ids[b] ?? b,
      shards: [ids[shard] ?? shard],
      points: 2,
      ...more,
    });
  const mlp = { architecture: "mlp", input: [2, 2], hidden: [], classes: 2 };

  it.each<[string, (ids: Ids) => object, ProblemCode, string]>([
    ["a label out of range", path("a", "b", "high"), "incompatible-dataset", "Label 1 is 2; the model has 2 classes"],
    ["a wrong input shape", path("a", "b", "wide"), "incompatible-dataset", "Samples are [3,3], the model takes [2,2]"],
    ["labels of positions", path("a", "b", "tokens"), "incompatible-dataset", "3 labels"],
    ["targets of another length", path("a", "b", "regression"), "incompatible-dataset", "5"],
    ["no architecture", path("bare", "bare", "shard"), "unknown-architecture", "edgefuse.model"],
    ["an architecture that nobody knows", path("other", "other", "shard"), "unknown-architecture", "edgefuse.model"],
    [
      "an architecture that nobody knows, in the question",
      path("a", "b", "shard", { as: { architecture: { architecture: "mixer" } } }),
      "malformed-request",
      "as",
    ],
    [
      "weights of another architecture",
      path("a", "b", "shard", { as: { architecture: { ...mlp, hidden: [3] } } }),
      "incompatible-weights",
      "hidden_0/kernel is missing; [4,3] is needed",
    ],
    [
      "weights of another shape",
      path("torch", "torch", "shard", { as: { architecture: mlp, layout: "pytorch" } }),
      "incompatible-weights",
      '"fc.bias", for output/bias, is [3], [2] is needed',
    ],
    [
      "a name that the file does not have",
      path("torch", "torch", "shard", {
        as: { architecture: mlp, layout: "pytorch", names: { "output/bias": "head.bias" } },
      }),
      "incompatible-weights",
      '"head.bias", for output/bias, is missing',
    ],
    [
      "a topology that is not there",
      path("a", "b", "shard", { as: { topology: missing } }),
      "topology-not-found",
      missing,
    ],
    [
      "both",
      path("a", "b", "shard", { as: { topology: missing, architecture: mlp } }),
      "malformed-request",
      "topology",
    ],
    ["models of two architectures", path("a", "deep", "shard"), "incompatible-inputs", "differ in architecture"],
    ["a shard that is not there", path("a", "b", missing), "shard-not-found", missing],
    ["a model that is not there", path("a", missing, "shard"), "checkpoint-not-found", missing],
  ])("with %s", (_, question, code, words) => refused(code, words, () => post("/v1/probes", question(known))));

  it("with weights that do not fit a topology", () =>
    refused("incompatible-weights", "only/kernel is missing; [3,2] is needed", () =>
      post("/v1/probes", path("a", "b", "shard", { as: { topology: known["topology"] } })(known)),
    ));

  it("with samples of which only the second shard does not fit", () =>
    refused("incompatible-dataset", "Label 1 is 2", () =>
      post("/v1/probes", { ...path("a", "b", "shard")(known), shards: [known["shard"], known["high"]] }),
    ));
});
