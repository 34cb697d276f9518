import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { beforeAll, describe, expect, it } from "vitest";
import { evaluableOfLayersTopology, parseTopology } from "../../../../shared/evaluation/topology/index.ts";
import { savedModel } from "../../../support/saved-model.ts";
import { wasmEngine } from "../../../support/wasm-engine.ts";

beforeAll(async () => {
  await wasmEngine();
});

type Layer = tfl.layers.Layer;
const image = [6, 6, 2];
const rows = [6, 3];

/** A layer of each kind that is said to be supported, and the shape of a sample for it. */
const LAYERS: readonly (readonly [string, readonly number[], () => Layer])[] = [
  ["activation", image, () => tfl.layers.activation({ activation: "hardSigmoid" })],
  ["selu", image, () => tfl.layers.activation({ activation: "selu" })],
  ["gelu", image, () => tfl.layers.activation({ activation: "gelu" })],
  ["swish", image, () => tfl.layers.activation({ activation: "swish" })],
  ["permute", rows, () => tfl.layers.permute({ dims: [2, 1] })],
  ["repeatVector", [4], () => tfl.layers.repeatVector({ n: 3 })],
  ["reshape", rows, () => tfl.layers.reshape({ targetShape: [9, 2] })],
  ["masking", rows, () => tfl.layers.masking({ maskValue: 0 })],
  ["gaussianNoise", rows, () => tfl.layers.gaussianNoise({ stddev: 1 })],
  ["gaussianDropout", rows, () => tfl.layers.gaussianDropout({ rate: 0.5 })],
  ["alphaDropout", rows, () => tfl.layers.alphaDropout({ rate: 0.5 })],
  ["spatialDropout1d", rows, () => tfl.layers.spatialDropout1d({ rate: 0.5 })],
  ["reLU", image, () => tfl.layers.reLU({ maxValue: 0.5 })],
  ["prelu", image, () => tfl.layers.prelu({ alphaInitializer: "ones" })],
  ["elu", image, () => tfl.layers.elu({})],
  ["thresholdedReLU", image, () => tfl.layers.thresholdedReLU({ theta: 0.2 })],
  ["conv1d", rows, () => tfl.layers.conv1d({ filters: 2, kernelSize: 3, dilationRate: 2 })],
  ["cropping2D", image, () => tfl.layers.cropping2D({ cropping: 1 as never })],
  ["upSampling2d", image, () => tfl.layers.upSampling2d({ size: [2, 2] })],
  ["upSampling2d, bilinear", image, () => tfl.layers.upSampling2d({ size: [2, 2], interpolation: "bilinear" })],
  ["zeroPadding2d", image, () => tfl.layers.zeroPadding2d({ padding: [1, 2] })],
  ["maxPooling1d", rows, () => tfl.layers.maxPooling1d({ poolSize: 2 })],
  ["averagePooling1d", rows, () => tfl.layers.averagePooling1d({ poolSize: 2 })],
  ["globalMaxPooling2d", image, () => tfl.layers.globalMaxPooling2d({})],
  ["globalAveragePooling1d", rows, () => tfl.layers.globalAveragePooling1d({})],
];

/** Layers of two inputs. */
const MERGES: readonly (readonly [string, () => Layer])[] = [
  ["average", () => tfl.layers.average()],
  ["maximum", () => tfl.layers.maximum()],
  ["minimum", () => tfl.layers.minimum()],
  ["multiply", () => tfl.layers.multiply()],
  ["dot", () => tfl.layers.dot({ axes: 1 })],
];

/** Evaluates a model from its model.json on the WASM backend, and compares it with the model itself. */
async function expectSame(model: tfl.LayersModel): Promise<void> {
  const { modelJson } = await savedModel(model);
  const evaluable = evaluableOfLayersTopology(parseTopology(modelJson));
  tf.tidy(() => {
    for (const [index, { variable }] of evaluable.specs.entries()) {
      const weight = model.weights[index];
      if (weight !== undefined) variable.assign(weight.read());
    }
    const x = tf.randomNormal([3, ...evaluable.inputShape], 0, 1, "float32", 9);
    const found = evaluable.predict(x);
    const expected = model.predict(x) as tf.Tensor;
    expect(found.shape).toEqual(expected.shape);
    expect([...found.dataSync()]).toEqual([...expected.dataSync()]);
  });
  evaluable.dispose();
  model.dispose();
}

describe("a layer of the kind", () => {
  it.each(LAYERS)("%s", async (_, shape, make) => {
    const input = tfl.input({ shape: [...shape] });
    await expectSame(tfl.model({ inputs: input, outputs: make().apply(input) as tfl.SymbolicTensor }));
  });

  it.each(MERGES)("%s, of two", async (_, make) => {
    const input = tfl.input({ shape: [5] });
    const branches = [0, 1].map(() => tfl.layers.dense({ units: 4 }).apply(input) as tfl.SymbolicTensor);
    await expectSame(tfl.model({ inputs: input, outputs: make().apply(branches) as tfl.SymbolicTensor }));
  });
});
