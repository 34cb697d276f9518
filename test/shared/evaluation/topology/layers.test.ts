import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { beforeAll, describe, expect, it } from "vitest";
import { Mixture } from "../../../../shared/evaluation/mixture.ts";
import {
  bindWeights,
  describeTopology,
  evaluableOfNetwork,
  parseTopology,
  readTopology,
  topologyIdOf,
  type WeightForm,
} from "../../../../shared/evaluation/topology/index.ts";
import { sourceOfBytes } from "../../../../shared/fusion/sharded-source.ts";
import { buildModel } from "../../../../shared/models/index.ts";
import { decodeSafetensors } from "../../../../shared/safetensors/index.ts";
import { convertTfjs } from "../../../../shared/tfjs-form/index.ts";
import { caught } from "../../../support/caught.ts";
import { savedModel } from "../../../support/saved-model.ts";
import { TINY_ARCHITECTURES } from "../../../support/tiny-architectures.ts";
import { wasmEngine } from "../../../support/wasm-engine.ts";

beforeAll(async () => {
  await wasmEngine();
});

/** All kinds of layers that have weights, and most that have none. */
const MODELS: Readonly<Record<string, () => tfl.LayersModel>> = {
  "dense, softmax": () =>
    tfl.sequential({
      layers: [
        tfl.layers.flatten({ inputShape: [3, 2] }),
        tfl.layers.dense({ units: 5, activation: "tanh", kernelInitializer: "heNormal" }),
        tfl.layers.dropout({ rate: 0.5 }),
        tfl.layers.dense({ units: 4, activation: "softmax", kernelRegularizer: "l1l2" }),
      ],
    }),
  "convolutions, batch normalisation, a softmax layer": () =>
    tfl.sequential({
      layers: [
        tfl.layers.conv2d({ inputShape: [8, 8, 2], filters: 3, kernelSize: 3, activation: "relu", padding: "same" }),
        tfl.layers.batchNormalization({ movingMeanInitializer: "randomNormal", gammaInitializer: "randomUniform" }),
        tfl.layers.maxPooling2d({ poolSize: 2 }),
        tfl.layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: "same" }),
        tfl.layers.leakyReLU({ alpha: 0.1 }),
        tfl.layers.separableConv2d({ filters: 4, kernelSize: 3 }),
        tfl.layers.conv2dTranspose({ filters: 2, kernelSize: 2, strides: 2 }),
        tfl.layers.averagePooling2d({ poolSize: 2 }),
        tfl.layers.flatten({}),
        tfl.layers.dense({ units: 3 }),
        tfl.layers.softmax({}),
      ],
    }),
  "branches that meet": () => {
    const input = tfl.input({ shape: [6, 6, 2] });
    const first = tfl.layers.conv2d({ filters: 4, kernelSize: 1, name: "first_branch" }).apply(input);
    const padded = tfl.layers.zeroPadding2d({ padding: 1 }).apply(input);
    const second = tfl.layers.conv2d({ filters: 4, kernelSize: 3 }).apply(padded);
    const sum = tfl.layers.add().apply([first, second] as tfl.SymbolicTensor[]);
    const both = tfl.layers.concatenate().apply([sum, first] as tfl.SymbolicTensor[]);
    const pooled = tfl.layers.globalAveragePooling2d({}).apply(both);
    const output = tfl.layers.dense({ units: 3, activation: "softmax" }).apply(pooled);
    return tfl.model({ inputs: input, outputs: output as tfl.SymbolicTensor });
  },
  "words, a model in a model": () =>
    tfl.sequential({
      layers: [
        tfl.layers.embedding({ inputDim: 9, outputDim: 4, inputLength: 6 }),
        tfl.sequential({
          layers: [
            tfl.layers.conv1d({ inputShape: [6, 4], filters: 5, kernelSize: 3, activation: "elu" }),
            tfl.layers.layerNormalization({}),
          ],
        }),
        tfl.layers.globalMaxPooling1d({}),
        tfl.layers.dense({ units: 2, activation: "softmax" }),
      ],
    }),
};

/** A model to be part of another. */
const INNER = () =>
  tfl.sequential({
    layers: [tfl.layers.dense({ inputShape: [3], units: 3 }), tfl.layers.batchNormalization({ name: "inner_norm" })],
  });

/** What a TF.js model amounts to: its form, and its weights from the checkpoint that an upload makes of it. */
async function imported(model: tfl.LayersModel) {
  const { modelJson, weightData } = await savedModel(model);
  const topology = describeTopology(parseTopology(modelJson));
  const form: WeightForm = { network: { kind: "topology", topology }, layout: "tensorflow", names: new Map() };
  const { layout, source } = await convertTfjs(
    new TextEncoder().encode(JSON.stringify(modelJson)),
    () => Promise.resolve({ source: sourceOfBytes(weightData), size: weightData.length }),
    topology.id,
  );
  const { header, bytes } = decodeSafetensors(await source.read(0, layout.fileLength));
  return { form, topology, header, weights: bindWeights(form, header, bytes) };
}

describe("a LayersModel of TF.js", () => {
  it.each(Object.entries(MODELS))("%s gives TF.js's own logits", async (_, make) => {
    const model = make();
    const { form, topology, header, weights } = await imported(model);
    expect(header.metadata).toEqual({ format: "tf", "edgefuse.topology": topology.id });
    const before = tf.memory().numTensors;
    const evaluable = evaluableOfNetwork(form.network, [weights]);
    const mixture = new Mixture(evaluable, [weights], true);
    mixture.moveTo([1]);
    const shape = [5, ...topology.inputShape];
    const x = tf.randomUniform(shape, 0, 8, "float32", 5);
    const [probabilities, logits] = tf.tidy(() => [
      (model.predict(x) as tf.Tensor).dataSync<"float32">(),
      evaluable.predict(x).dataSync<"float32">(),
    ]);
    expect(topology.outputShape).toEqual(model.outputs[0]?.shape.slice(1));
    const classes = topology.outputShape?.at(-1) ?? 0;
    for (let row = 0; row < 5; row++) {
      const own = [...(logits ?? [])].slice(row * classes, (row + 1) * classes);
      const total = own.reduce((sum, logit) => sum + Math.exp(logit), 0);
      for (const [index, logit] of own.entries()) {
        expect(Math.exp(logit) / total).toBeCloseTo(probabilities?.[row * classes + index] ?? Number.NaN, 5);
      }
    }
    mixture.dispose();
    x.dispose();
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  it("is one topology, however often the same layers are made", async () => {
    const make = () =>
      tfl.sequential({ layers: [tfl.layers.dense({ inputShape: [2], units: 2, name: "only", useBias: true })] });
    const [first, second] = [await imported(make()), await imported(make())];
    expect(first.topology.id).toBe(second.topology.id);
    const other = tfl.sequential({
      layers: [
        tfl.layers.dense({ inputShape: [2], units: 2, name: "only", kernelInitializer: "zeros", activation: "relu" }),
      ],
    });
    expect((await imported(other)).topology.id).not.toBe(first.topology.id);
  });

  it.each([
    ["a Sequential", () => INNER()],
    [
      "a functional model",
      () => {
        const inner = INNER();
        return tfl.model({ inputs: inner.inputs, outputs: inner.outputs });
      },
    ],
  ])("shows what goes into the normalisations within %s within it", async (_, inner) => {
    const first = tfl.layers.dense({ inputShape: [3], units: 3, activation: "relu" });
    const outer = tfl.sequential({
      layers: [first, inner(), tfl.layers.batchNormalization({ name: "outer_norm" })],
    });
    const { form, weights } = await imported(outer);
    const mixture = new Mixture(evaluableOfNetwork(form.network, [weights]), [weights], true);
    mixture.moveTo([1]);
    const { normalizations } = mixture.evaluable;
    expect(normalizations.map(({ name }) => name)).toEqual(["inner_norm", "outer_norm"]);
    tf.tidy(() => {
      const x = tf.randomNormal([4, 3], 0, 1, "float32", 2);
      const seen = normalizations[0]?.inputOf(x).dataSync();
      const [, dense] = mixture.evaluable.specs.filter(({ name }) => name.endsWith("/kernel"));
      const hidden = first.apply(x) as tf.Tensor;
      // Biases are 0 at the start.
      expect([...(seen ?? [])]).toEqual([...tf.matMul(hidden, dense?.variable ?? tf.eye(3)).dataSync()]);
    });
    mixture.dispose();
    outer.dispose();
  });

  it.each(TINY_ARCHITECTURES)("our own %s reads back", (_, architecture) => {
    const model = buildModel(architecture);
    const topology = parseTopology({ modelTopology: model.toJSON(null, false) });
    const { weights } = describeTopology(topology);
    expect(weights.map(({ name }) => name)).toEqual(model.weights.map(({ originalName }) => originalName));
    model.dispose();
  });
});

describe("a LayersModel that is refused", () => {
  const layer = (kind: string, config: object) => ({ class_name: kind, config: { name: "one", ...config } });
  const sequential = (...layers: object[]) => ({
    modelTopology: { class_name: "Sequential", config: { name: "sequential", layers } },
  });
  const dense = (config: object = {}) => layer("Dense", { units: 3, batch_input_shape: [null, 4], ...config });
  const refused = (modelJson: unknown) => caught(() => describeTopology(parseTopology(modelJson)));

  it.each(["Lambda", "ConvLSTM2D", "constructor", "__proto__"])("names the layer %s", (kind) => {
    const problem = refused(sequential(dense(), layer(kind, { name: "strange" })));
    expect(problem).toMatchObject({ code: "unsupported-topology", members: { layer: kind } });
    expect(problem.message).toContain(`"strange" is a ${kind}`);
  });

  it.each([
    ["an unknown activation", sequential(dense({ activation: "swish2" })), "swish2"],
    ["an open dimension", sequential(dense({ batch_input_shape: [null, null] })), ""],
    ["layers that do not fit", sequential(dense(), layer("Conv2D", { filters: 2, kernel_size: 2 })), ""],
    [
      "what TF.js builds but does not evaluate",
      sequential(layer("Softmax", { axis: 1, batch_input_shape: [null, 3, 4] }), layer("ReLU", { name: "two" })),
      "Softmax along a non-last dimension",
    ],
    ["no input shape", sequential(layer("Dense", { units: 2 })), ""],
    ["Keras 3", sequential({ ...dense(), inbound_nodes: [{ args: [], kwargs: {} }] }), "Keras 3"],
    ["another kind of model", { modelTopology: { class_name: "Perceptron", config: {} } }, "Perceptron"],
  ])("says so for %s", (_, modelJson, word) => {
    const problem = refused(modelJson);
    expect(problem).toMatchObject({ code: "unsupported-topology" });
    expect(problem.message).toContain(word);
  });

  it.each([
    ["nothing", null],
    ["no topology", { weightsManifest: [] }],
    ["no layers", { modelTopology: { class_name: "Sequential", config: {} } }],
    ["a layer that is none", sequential({ config: {} })],
    ["a layer without a config", sequential({ class_name: "Dense" })],
    [
      "a member that would be a prototype",
      JSON.parse(
        '{"modelTopology":{"class_name":"Sequential","config":{"layers":[{"class_name":"Dense","config":{"__proto__":{}}}]}}}',
      ),
    ],
  ])("says so for %s", (_, modelJson) => {
    expect(refused(modelJson)).toMatchObject({ code: "malformed-tfjs-model" });
  });

  it("is one that nests without end, or is no JSON", () => {
    let value: unknown = 1;
    for (let depth = 0; depth < 100; depth++) value = [value];
    expect(refused(sequential(dense({ strange: value })))).toMatchObject({ code: "malformed-tfjs-model" });
    expect(caught(() => readTopology(new TextEncoder().encode("{")))).toMatchObject({ code: "malformed-tfjs-model" });
    expect(caught(() => readTopology(new Uint8Array(4 * 2 ** 20 + 1)))).toMatchObject({ members: { limit: 2 ** 22 } });
  });

  it("is one with weights beyond all memory, before any is made", () => {
    const before = tf.memory();
    const problem = refused(sequential(dense({ units: 1_000_000_000 })));
    expect(problem).toMatchObject({ code: "too-large-for-isolate", members: { limitBytes: 2 ** 27 } });
    expect(caught(() => describeTopology(parseTopology(sequential(dense())), 14))).toMatchObject({
      code: "too-large-for-isolate",
    });
    expect(refused(sequential(layer("Flatten", { batch_input_shape: [null, 50_000, 50_000] })))).toMatchObject({
      code: "too-large-for-isolate",
    });
    const widened = [layer("UpSampling2D", { size: [5000, 5000], batch_input_shape: [null, 1, 1, 4] })];
    expect(refused(sequential(...widened))).toMatchObject({ code: "too-large-for-isolate" });
    expect(tf.memory().numBytes).toBe(before.numBytes);
    // The layers of everyone else make their weights as before.
    const own = tfl.sequential({
      layers: [tfl.layers.dense({ inputShape: [4], units: 8, kernelInitializer: "ones" })],
    });
    expect(own.weights[0]?.read().dataSync()[0]).toBe(1);
    own.dispose();
  });

  it("has the id of what matters, with weights by name in any order", () => {
    const { id, weights, parts } = describeTopology(parseTopology(sequential(dense())));
    expect(id).toBe(topologyIdOf(parseTopology(sequential(dense({ kernel_initializer: "ones", trainable: false })))));
    expect(weights).toEqual([
      { name: "one/kernel", shape: [4, 3], kind: "float" },
      { name: "one/bias", shape: [3], kind: "float" },
    ]);
    expect(parts).toEqual({ Dense: 1 });
  });
});
