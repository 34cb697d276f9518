import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { Mixture } from "../../../../shared/evaluation/mixture.ts";
import {
  bindWeights,
  describeTopology,
  evaluableOfNetwork,
  parseTopology,
  topologyIdOf,
  type WeightForm,
} from "../../../../shared/evaluation/topology/index.ts";
import { RandomStream } from "../../../../shared/random/stream.ts";
import { decodeSafetensors, encodeSafetensors } from "../../../../shared/safetensors/index.ts";
import {
  changedGraph,
  convolutionalGraph,
  GRAPH_CONSTANTS,
  GRAPH_WEIGHTS,
  graphConstant,
} from "../../../support/graph-models.ts";
import { caught } from "../../../support/caught.ts";
import { wasmEngine } from "../../../support/wasm-engine.ts";

beforeAll(async () => {
  await wasmEngine();
});

interface TensorData {
  readonly dtype: "F32" | "I32";
  readonly shape: readonly number[];
  readonly data: Uint8Array<ArrayBuffer>;
}

const bytesOf = (values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>) => new Uint8Array(values.buffer);

/** A checkpoint of the graph. */
function checkpoint(seed: bigint, constants: Readonly<Record<string, readonly number[]>> = GRAPH_CONSTANTS) {
  const random = new RandomStream(seed, "checkpoint");
  const floats = Object.entries(GRAPH_WEIGHTS).map(([name, shape]): [string, TensorData] => {
    const count = shape.reduce((product, size) => product * size, 1);
    // Positive, as a variance must be.
    const values = Float32Array.from({ length: count }, () => 0.1 + random.uint32() / 2 ** 32);
    return [name, { dtype: "F32", shape, data: bytesOf(values) }];
  });
  const whole = Object.entries(constants).map(([name, values]): [string, TensorData] => [
    name,
    { dtype: "I32", shape: [values.length], data: bytesOf(Int32Array.from(values)) },
  ]);
  return decodeSafetensors(encodeSafetensors(new Map([...floats, ...whole])));
}

function formOf(modelJson: unknown): WeightForm {
  const topology = describeTopology(parseTopology(modelJson));
  return { network: { kind: "topology", topology }, layout: "tensorflow", names: new Map() };
}

/** The logits by plain tfjs operations. */
function expectedLogits(
  weights: ReadonlyMap<string, { shape: readonly number[]; values: Float32Array }>,
  x: tf.Tensor,
) {
  const get = (name: string) => {
    const found = weights.get(name);
    if (found === undefined) throw new Error(`no weight ${name}`);
    return tf.tensor(found.values, [...found.shape]);
  };
  const convolved = tf.relu(
    tf.add(tf.conv2d(x as tf.Tensor4D, get("model/conv/kernel") as tf.Tensor4D, 1, "same"), get("model/conv/bias")),
  );
  const norm = (role: string) => get(`model/norm/${role}`) as tf.Tensor1D;
  const normed = tf.batchNorm(convolved, norm("mean"), norm("variance"), norm("beta"), norm("gamma"), 0.001);
  const pooled = tf.maxPool(tf.maxPool(normed as tf.Tensor4D, 2, 2, "valid"), [1, 2], [1, 2], "valid");
  return tf.add(tf.matMul(tf.reshape(pooled, [-1, 12]), get("model/dense/kernel")), get("model/dense/bias"));
}

describe("a GraphModel", () => {
  it("gives the logits before its softmax, at every point between two checkpoints", () => {
    const form = formOf(convolutionalGraph());
    expect(form.network.kind === "topology" && form.network.topology).toMatchObject({
      format: "graph-model",
      inputShape: [6, 4, 2],
      outputShape: [3],
    });
    const files = [checkpoint(1n), checkpoint(2n)];
    const endpoints = files.map(({ header, bytes }) => bindWeights(form, header, bytes));
    const before = tf.memory().numTensors;
    const evaluable = evaluableOfNetwork(form.network, endpoints);
    expect(evaluable.outputShape).toEqual([3]);
    // One sample of the map behind the convolution, at least.
    expect(evaluable.activationBytesPerSample).toBeGreaterThan(4 * 6 * 4 * 4);
    const mixture = new Mixture(evaluable, endpoints, true);
    const x = tf.randomNormal([5, 6, 4, 2], 0, 1, "float32", 3);
    for (const share of [0, 0.3, 1]) {
      mixture.moveTo([1 - share, share]);
      const [first, second] = endpoints;
      const between = new Map(
        [...(first ?? [])].map(([name, { shape, values }]) => {
          const other = second?.get(name)?.values ?? new Float32Array();
          return [name, { shape, values: values.map((value, i) => value + share * ((other[i] ?? 0) - value)) }];
        }),
      );
      const logits = tf.tidy(() => evaluable.predict(x).dataSync<"float32">());
      const expected = tf.tidy(() => expectedLogits(between, x).dataSync<"float32">());
      expect(Math.max(...logits.map((value, i) => Math.abs(value - (expected[i] ?? Number.NaN))))).toBeLessThan(1e-4);
    }
    mixture.dispose();
    x.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("shows the statistics of its batch normalisation, and what goes into it", () => {
    const form = formOf(convolutionalGraph());
    const { header, bytes } = checkpoint(3n);
    const weights = bindWeights(form, header, bytes);
    const evaluable = evaluableOfNetwork(form.network, [weights]);
    const [norm, ...others] = evaluable.normalizations;
    expect(others).toEqual([]);
    expect(norm).toMatchObject({ channelAxis: -1, meanName: "model/norm/mean", varianceName: "model/norm/variance" });
    const input = tf.tidy(() => norm?.inputOf(tf.ones([2, 6, 4, 2])).shape);
    expect(input).toEqual([2, 6, 4, 4]);
    expect([...(norm?.movingMean.dataSync() ?? [])]).toEqual([...(weights.get("model/norm/mean")?.values ?? [])]);
    evaluable.dispose();
  });

  it("has one id, whatever notes and unused nodes stand in it", () => {
    const plain = topologyIdOf(parseTopology(convolutionalGraph()));
    const model = changedGraph((nodes) => nodes.filter(({ name }) => name !== "unused").toReversed());
    expect(topologyIdOf(parseTopology({ ...model, generatedBy: "another", weightsManifest: [] }))).toBe(plain);
    const other = changedGraph((nodes) =>
      nodes.map((one) =>
        one.name === "model/norm/FusedBatchNormV3" ? { ...one, attr: { epsilon: { f: 0.01 } } } : one,
      ),
    );
    expect(topologyIdOf(parseTopology(other))).not.toBe(plain);
  });
});

describe("a GraphModel that is refused", () => {
  const refused = (modelJson: unknown) => caught(() => formOf(modelJson));
  const withNode = (name: string, members: object) =>
    changedGraph((nodes) => nodes.map((one) => (one.name === name ? { ...one, ...members } : one)));

  it("names an operation that cannot be evaluated", () => {
    const problem = refused(withNode("model/pool/MaxPool", { op: "StringSplit" }));
    expect(problem).toMatchObject({ code: "unsupported-topology" });
    expect(problem.message).toContain('"model/pool/MaxPool" is a StringSplit');
    expect(problem.members).toMatchObject({ operation: "StringSplit", node: "model/pool/MaxPool" });
  });

  it.each([
    [
      "a circle",
      withNode("model/conv/Relu", { input: ["model/dense/BiasAdd", "model/conv/kernel", "model/conv/bias"] }),
    ],
    ["a missing node", withNode("model/dense/BiasAdd", { input: ["nowhere", "model/dense/bias"] })],
    ["two nodes of one name", changedGraph((nodes) => [...nodes, ...nodes.slice(0, 1)])],
    ["a node without a name", changedGraph((nodes) => [...nodes, { op: "Const" }])],
    ["a node that would be a prototype", changedGraph((nodes) => [...nodes, { name: "__proto__", op: "Const" }])],
    ["nodes that are none", { modelTopology: { node: "many" } }],
  ])("says so for %s", (_, modelJson) => {
    expect(refused(modelJson)).toMatchObject({ code: "malformed-tfjs-model" });
  });

  it.each([
    ["two outputs", { ...convolutionalGraph(), signature: { outputs: { a: { name: "Identity" }, b: { name: "x" } } } }],
    [
      "an open dimension",
      { ...withNode("x", { attr: {} }), signature: { outputs: { output: { name: "Identity:0" } } } },
    ],
  ])("says so for %s", (_, modelJson) => {
    expect(refused(modelJson)).toMatchObject({ code: "unsupported-topology" });
  });

  it("is one whose constants differ between the models", () => {
    const form = formOf(convolutionalGraph());
    const [first, second] = [checkpoint(1n), checkpoint(1n, { "model/flatten/shape": [-1, 6] })].map(
      ({ header, bytes }) => bindWeights(form, header, bytes),
    );
    const problem = caught(() => evaluableOfNetwork(form.network, [first ?? new Map(), second ?? new Map()]));
    expect(problem).toMatchObject({ code: "incompatible-weights", members: { tensor: "model/flatten/shape" } });
  });

  it("is one whose constants do not fit together, and leaves no tensor behind", () => {
    const form = formOf(convolutionalGraph());
    const { header, bytes } = checkpoint(1n, { "model/flatten/shape": [-1, 7] });
    const before = tf.memory().numTensors;
    const problem = caught(() => evaluableOfNetwork(form.network, [bindWeights(form, header, bytes)]));
    expect(problem).toMatchObject({ code: "unsupported-topology" });
    expect(tf.memory().numTensors).toBe(before);
  });

  it("is one that would take far more memory than there is, before it takes it", () => {
    const tiled = changedGraph((nodes) => [
      ...nodes.map((one) =>
        one.name === "model/dense/MatMul" ? { ...one, input: ["tile", "model/dense/kernel"] } : one,
      ),
      graphConstant("multiples", [2], "DT_INT32"),
      { name: "tile", op: "Tile", input: ["model/flatten/Reshape", "multiples"], attr: {} },
    ]);
    const form = formOf(tiled);
    const { header, bytes } = checkpoint(1n, { ...GRAPH_CONSTANTS, multiples: [10_000_000, 1] });
    const before = tf.memory();
    const problem = caught(() => evaluableOfNetwork(form.network, [bindWeights(form, header, bytes)]));
    expect(problem).toMatchObject({ code: "too-large-for-isolate", members: { limitBytes: 32 * 2 ** 20 } });
    expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numBytes: before.numBytes });
  });

  it("tells weights that are missing, too many, or of another shape", () => {
    const form = formOf(convolutionalGraph());
    const { header, bytes } = checkpoint(1n);
    const tensors = header.tensors.map((tensor) =>
      tensor.name === "model/dense/bias"
        ? { ...tensor, shape: [1, 3] }
        : tensor.name === "model/conv/bias"
          ? { ...tensor, name: "another" }
          : tensor,
    );
    const problem = caught(() => bindWeights(form, { tensors }, bytes));
    expect(problem).toMatchObject({ code: "incompatible-weights" });
    expect([...(problem.members["differences"] as string[])].sort()).toEqual([
      '"another" is not part of the network',
      "model/conv/bias is missing; [4] is needed",
      "model/dense/bias is [1,3], [3] is needed",
    ]);
  });
});
