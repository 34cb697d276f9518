import { createHash } from "node:crypto";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Architecture,
  architectureSchema,
  assignWeights,
  buildModel,
  initialWeights,
  sampleShapeOf,
  type Weights,
  weightSpecs,
} from "../../../shared/models/index.ts";
import { RandomStream } from "../../../shared/random/stream.ts";
import { useCpuBackend } from "../../support/cpu-backend.ts";
import { randomSamples, TINY_ARCHITECTURES } from "../../support/tiny-architectures.ts";

beforeAll(useCpuBackend);

function start(architecture: Architecture, seed: bigint): Weights {
  const model = buildModel(architecture);
  try {
    return initialWeights(model, seed);
  } finally {
    model.dispose();
  }
}

const valuesOf = (weights: Weights, name: string): Float32Array => {
  const weight = weights.get(name);
  if (weight === undefined) throw new Error(`there is no ${name}`);
  return weight.values;
};

const deviation = (values: Float32Array) =>
  Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length);
const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

describe("initial weights", () => {
  it("of the MLP have the bits they always had", () => {
    const digest = createHash("sha256");
    const weights = start({ architecture: "mlp", input: [28, 28, 1], hidden: [128, 64], classes: 10 }, 42n);
    for (const [name, { values }] of weights) digest.update(name).update(new Uint8Array(values.buffer));
    expect(digest.digest("hex")).toBe("add6cf0143a02dc69c1833a51983b6111ed1f0d8915f30ffc4ffbca8a6419895");
  });

  it.each(TINY_ARCHITECTURES)("of %s depend on the seed and the name alone", (_, architecture) => {
    const [first, again, other] = [start(architecture, 1n), start(architecture, 1n), start(architecture, 2n)];
    expect(again).toEqual(first);
    for (const [name, { values }] of first) {
      const isConstant = values.every((value) => value === values[0]);
      expect(
        valuesOf(other, name).every((value, index) => value === values[index]),
        name,
      ).toBe(isConstant);
    }
  });

  it("follow the rules of convolutional networks", () => {
    const cnn = start(architectureSchema.parse({ architecture: "cnn", input: [32, 32, 3], classes: 10 }), 1n);
    for (const role of ["kernel", "bias"]) {
      const bound = 1 / Math.sqrt(3 * 3 * 32);
      expect(largest(valuesOf(cnn, `conv_1/${role}`))).toBeLessThanOrEqual(bound);
      expect(largest(valuesOf(cnn, `conv_1/${role}`))).toBeGreaterThan(0.9 * bound);
    }
    const vgg = start(
      architectureSchema.parse({
        architecture: "vgg",
        depth: 11,
        norm: "batch",
        input: [32, 32, 3],
        width: 0.25,
        classes: 10,
      }),
      1n,
    );
    expect(deviation(valuesOf(vgg, "conv_4/kernel"))).toBeCloseTo(Math.sqrt(2 / (9 * 64)), 2);
    expect(new Set(valuesOf(vgg, "norm_4/gamma"))).toEqual(new Set([1]));
    expect(new Set(valuesOf(vgg, "norm_4/moving_variance"))).toEqual(new Set([1]));
    expect(new Set(valuesOf(vgg, "norm_4/beta"))).toEqual(new Set([0]));
    expect(new Set(valuesOf(vgg, "norm_4/moving_mean"))).toEqual(new Set([0]));
  });

  it("make the last convolution of a branch smaller only where there is no norm", () => {
    const resnet = (norm: string) =>
      start(architectureSchema.parse({ architecture: "resnet", depth: 20, norm, input: [32, 32, 3], classes: 10 }), 1n);
    const he = Math.sqrt(2 / (9 * 64));
    expect(deviation(valuesOf(resnet("batch"), "block_8/conv_2/kernel")) / he).toBeCloseTo(1, 1);
    const plain = resnet("none");
    expect(deviation(valuesOf(plain, "block_8/conv_1/kernel")) / he).toBeCloseTo(1, 1);
    expect(deviation(valuesOf(plain, "block_8/conv_2/kernel")) / he).toBeCloseTo(1 / 3, 1);
    expect(deviation(valuesOf(plain, "block_6/shortcut/kernel"))).toBeCloseTo(Math.sqrt(1 / 32), 1);
  });

  it("follow the rules of transformers", () => {
    const weights = start(
      architectureSchema.parse({
        architecture: "vit",
        input: [32, 32, 3],
        patch: 4,
        width: 64,
        depth: 1,
        heads: 4,
        classes: 10,
      }),
      1n,
    );
    expect(deviation(valuesOf(weights, "positions/embedding"))).toBeCloseTo(0.02, 2);
    expect(deviation(valuesOf(weights, "class_token/embedding"))).toBeGreaterThan(0.01);
    expect(largest(valuesOf(weights, "patch_embedding/kernel"))).toBeCloseTo(1 / Math.sqrt(48), 2);
    expect(largest(valuesOf(weights, "block_0/mlp_up/kernel"))).toBeCloseTo(Math.sqrt(6 / (64 + 256)), 2);
    expect(largest(valuesOf(weights, "block_0/mlp_up/bias"))).toBe(0);
    expect(new Set(valuesOf(weights, "norm/gamma"))).toEqual(new Set([1]));
  });
});

/** A start whose signal dies or explodes with depth does not train. */
describe("deep networks without norm", () => {
  it.each([
    ["ResNet-20", { architecture: "resnet", depth: 20, norm: "none", input: [8, 8, 3], width: 8, classes: 10 }],
    ["ResNet-56", { architecture: "resnet", depth: 56, norm: "none", input: [8, 8, 3], width: 8, classes: 10 }],
    [
      "VGG-19",
      { architecture: "vgg", depth: 19, norm: "none", input: [16, 16, 3], width: 0.125, pools: 2, classes: 10 },
    ],
  ])("keep the signal's size: %s", (_, declared) => {
    const architecture = architectureSchema.parse(declared);
    const model = buildModel(architecture);
    assignWeights(model, initialWeights(model, 4n));
    tf.tidy(() => {
      const input = tf.tensor(randomSamples(architecture, 8, 1n), [8, ...sampleShapeOf(architecture)]);
      const logits = (model.predict(input) as tf.Tensor).dataSync<"float32">();
      // Across samples, not because of the biases.
      const spread = Array.from({ length: 10 }, (_class, k) => {
        const column = Array.from({ length: 8 }, (_sample, row) => logits[row * 10 + k] ?? Number.NaN);
        return Math.max(...column) - Math.min(...column);
      });
      expect(Math.max(...spread)).toBeGreaterThan(0.02);
      expect(Math.max(...spread)).toBeLessThan(20);
    });
    model.dispose();
  });

  it.each(["none", "layer", "batch"])("learn a batch by heart: ResNet-14, norm %s", (norm) => {
    const architecture = architectureSchema.parse({
      architecture: "resnet",
      depth: 14,
      norm,
      input: [4, 4, 1],
      width: 4,
      classes: 2,
    });
    const model = buildModel(architecture);
    assignWeights(model, initialWeights(model, 4n));
    const random = new RandomStream(1n, "labels");
    const labels = tf.oneHot(
      Array.from({ length: 6 }, () => random.below(2)),
      2,
    );
    const input = tf.tensor(randomSamples(architecture, 6, 1n), [6, ...sampleShapeOf(architecture)]);
    const variables = weightSpecs(model)
      .filter(({ trainable }) => trainable)
      .map(({ variable }) => variable);
    const losses = Array.from({ length: 40 }, () =>
      tf.tidy(() => {
        const { value, grads } = tf.variableGrads(() => {
          const logits = model.apply(input, { training: true }) as tf.Tensor;
          return tf.losses.softmaxCrossEntropy(labels, logits) as tf.Scalar;
        }, variables);
        for (const variable of variables) {
          const gradient = grads[variable.name];
          if (gradient !== undefined) variable.assign(tf.sub(variable, tf.mul(gradient, 0.1)));
        }
        return value.dataSync()[0] ?? Number.NaN;
      }),
    );
    expect(losses.at(-1)).toBeLessThan(0.7 * (losses[0] ?? 0));
    tf.dispose([labels, input]);
    model.dispose();
  });
});
