import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { beforeAll, describe, expect, it } from "vitest";
import { mixtureOf } from "../../../shared/evaluation/mixture.ts";
import {
  architectureSchema,
  assignWeights,
  buildModel,
  MODEL_KEY,
  parameterCount,
  readArchitecture,
  sampleShapeOf,
  type WeightShape,
  weightShapes,
  weightSpecs,
} from "../../../shared/models/index.ts";
import { layerIndexOf } from "../../../shared/recipe/layer-position.ts";
import { useCpuBackend } from "../../support/cpu-backend.ts";
import { randomSamples, randomWeights, TINY_ARCHITECTURES } from "../../support/tiny-architectures.ts";

const image = { input: [32, 32, 3], classes: 10 };
const vit = { architecture: "vit", ...image, patch: 4, width: 64, depth: 2, heads: 4 };
const text = { architecture: "transformer", vocabulary: 9, length: 8, width: 8, depth: 1, heads: 2, classes: 9 };

beforeAll(useCpuBackend);

describe("a declared architecture", () => {
  it.each(TINY_ARCHITECTURES)("such as %s reads back from a file's metadata", (_, architecture) => {
    expect(readArchitecture({ [MODEL_KEY]: JSON.stringify(architecture) })).toEqual(architecture);
  });

  it("has the paper's networks as defaults", () => {
    expect(architectureSchema.parse({ architecture: "cnn", ...image })).toMatchObject({
      channels: [32, 64, 64],
      hidden: [64],
    });
    expect(architectureSchema.parse({ architecture: "lenet", ...image })).toMatchObject({
      channels: [16, 32],
      hidden: [],
    });
    const resnet = architectureSchema.parse({ architecture: "resnet", ...image, depth: 20, norm: "none" });
    expect(resnet).toMatchObject({ width: 16, shortcut: "conv1x1" });
  });

  it.each([
    ["a name we do not know", { architecture: "densenet", ...image }],
    ["an option we do not know", { architecture: "cnn", ...image, dropout: 0.5 }],
    ["no classes", { architecture: "cnn", input: [32, 32, 3] }],
    ["one class", { architecture: "cnn", input: [32, 32, 3], classes: 1 }],
    ["an image without channels", { architecture: "cnn", input: [32, 32], classes: 10 }],
    ["an image too small to convolve", { architecture: "cnn", input: [12, 32, 3], classes: 10 }],
    ["an image too small to halve", { architecture: "lenet", input: [3, 8, 1], classes: 10 }],
    [
      "an image too small for five maxima",
      { architecture: "vgg", input: [28, 28, 1], classes: 10, depth: 11, norm: "none" },
    ],
    ["a VGG of 12 layers", { architecture: "vgg", ...image, depth: 12, norm: "none" }],
    ["a norm we do not know", { architecture: "vgg", ...image, depth: 11, norm: "group" }],
    ["a VGG without a word on norms", { architecture: "vgg", ...image, depth: 11 }],
    ["a ResNet of 21 layers", { architecture: "resnet", ...image, depth: 21, norm: "none" }],
    ["a ResNet of 2 layers", { architecture: "resnet", ...image, depth: 2, norm: "none" }],
    ["a shortcut we do not know", { architecture: "resnet", ...image, depth: 20, norm: "none", shortcut: "none" }],
    ["patches that do not fit", { ...vit, patch: 5 }],
    ["heads that do not divide the width", { ...vit, heads: 5 }],
    ["pooling we do not know", { ...vit, pooling: "max" }],
    ["a transformer without a word on causality", text],
    ["a transformer of half a layer", { ...text, causal: true, depth: 0.5 }],
    ["heads that do not divide the text's width", { ...text, causal: true, heads: 3 }],
    ["an endless width", { ...vit, width: 1e12 }],
  ])("is refused with %s", (_, declared) => {
    const metadata = { [MODEL_KEY]: JSON.stringify(declared) };
    expect(() => readArchitecture(metadata)).toThrow(expect.objectContaining({ code: "unknown-architecture" }));
  });
});

/** Numbers that others published: PyTorch's CIFAR tutorial network, torchvision, the ResNets of akamaster, DeiT. */
describe("the number of trainable parameters", () => {
  it.each([
    [122_570, { architecture: "cnn", ...image }],
    [28_938, { architecture: "lenet", input: [28, 28, 1], classes: 10 }],
    [9_220_480 + 5130, { architecture: "vgg", ...image, depth: 11, norm: "none" }],
    [14_714_688 + 5130, { architecture: "vgg", ...image, depth: 16, norm: "none" }],
    [269_722, { architecture: "resnet", ...image, depth: 20, norm: "batch", shortcut: "pad" }],
    [464_154, { architecture: "resnet", ...image, depth: 32, norm: "layer", shortcut: "pad" }],
    [853_018, { architecture: "resnet", ...image, depth: 56, norm: "batch", shortcut: "pad" }],
    [
      5_717_416,
      { architecture: "vit", input: [224, 224, 3], classes: 1000, patch: 16, width: 192, depth: 12, heads: 3 },
    ],
  ])("is %i for %o", (count, declared) => {
    const model = buildModel(architectureSchema.parse(declared));
    const sizes = weightSpecs(model)
      .filter(({ trainable }) => trainable)
      .map(({ shape }) => shape.reduce((product, dimension) => product * dimension, 1));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(count);
    model.dispose();
  });
});

describe("a built model", () => {
  it.each(TINY_ARCHITECTURES)("of %s has the weights that are told without building it", (_, architecture) => {
    const model = buildModel(architecture);
    const lines = (weights: readonly WeightShape[]) => weights.map(({ name, shape }) => `${name} [${shape}]`).sort();
    const specs = weightSpecs(model);
    expect(lines(weightShapes(architecture))).toEqual(lines(specs));
    expect(parameterCount(architecture)).toBe(specs.reduce((sum, { variable }) => sum + variable.size, 0));
    model.dispose();
  });

  it("is not made for a checkpoint that declares far more than it has", () => {
    const huge = architectureSchema.parse({ ...vit, width: 8192, depth: 256, heads: 1 });
    expect(parameterCount(huge)).toBeGreaterThan(2e11);
    const before = tf.memory().numTensors;
    expect(() => mixtureOf(huge, [new Map(), new Map()])).toThrow(
      expect.objectContaining({ code: "incompatible-weights" }),
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each(TINY_ARCHITECTURES)("of %s has the same weight names however often it is built", (_, architecture) => {
    const [first, second] = [buildModel(architecture), buildModel(architecture)];
    const names = [first, second].map((model) => weightSpecs(model).map(({ name, shape }) => `${name} [${shape}]`));
    expect(names[0]).toEqual(names[1]);
    expect(new Set(names[0]).size).toBe(names[0]?.length);
    first.dispose();
    second.dispose();
  });

  it.each(TINY_ARCHITECTURES)("of %s has names that tell how deep a weight lies", (_, architecture) => {
    const model = buildModel(architecture);
    const indices = weightSpecs(model)
      .filter(({ trainable }) => trainable)
      .map(({ name }) => layerIndexOf(name))
      .filter((index) => index !== undefined);
    expect(indices).toEqual([...indices].sort((a, b) => a - b));
    const layers = new Set(indices).size;
    expect([...new Set(indices)]).toEqual(Array.from({ length: layers }, (_index, place) => place));
    model.dispose();
  });

  it.each(TINY_ARCHITECTURES)("of %s comes back from its topology", async (_, architecture) => {
    const model = buildModel(architecture);
    const weights = randomWeights(weightSpecs(model), 3n);
    assignWeights(model, weights);
    const copy = await tfl.loadLayersModel(
      tf.io.fromMemory({ modelTopology: JSON.parse(JSON.stringify(model.toJSON(null, false))) }),
      { strict: false },
    );
    assignWeights(copy, weights);
    tf.tidy(() => {
      const input = tf.tensor(randomSamples(architecture, 2, 1n), [2, ...sampleShapeOf(architecture)]);
      const [logits, again] = [model, copy].map((one) => (one.predict(input) as tf.Tensor).dataSync<"float32">());
      for (const [index, value] of (logits ?? []).entries()) expect(again?.[index]).toBeCloseTo(value, 5);
    });
    model.dispose();
    copy.dispose();
  });

  it("is what stock tf.layers loads where it has no layer of our own", () => {
    for (const [name, architecture] of TINY_ARCHITECTURES) {
      const model = buildModel(architecture);
      const own = model.layers.map((layer) => layer.getClassName()).filter((kind) => kind.startsWith("Edgefuse"));
      const isTransformer = architecture.architecture === "vit" || architecture.architecture === "transformer";
      expect(own.length > 0, name).toBe(isTransformer || name === "resnet, padding shortcuts");
      model.dispose();
    }
  });
});
