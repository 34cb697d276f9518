import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Architecture,
  architectureSchema,
  assignWeights,
  buildModel,
  weightSpecs,
} from "../../../shared/models/index.ts";
import type { WebgpuTrainingBackend } from "../../../trainer/backend/training-backend.ts";
import { startWebgpuBackend } from "../../../trainer/backend/webgpu.ts";
import { tensorCrossEntropy } from "../../../trainer/training/cross-entropy.ts";
import { softwareGpu } from "../../support/software-gpu.ts";
import { randomWeights } from "../../support/tiny-architectures.ts";
import { randomBatch, worstDifference } from "./model-batches.ts";

const environment = await softwareGpu();

/**
 * Every architecture and every norm: small, for a GPU in software is slow, but with channels enough that no norm divides
 * by next to nothing.
 */
const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map(
  Object.entries({
    mlp: { architecture: "mlp", input: [4, 4, 1], hidden: [6, 5], classes: 3 },
    cnn: { architecture: "cnn", input: [18, 18, 2], channels: [3, 4, 4], hidden: [5], classes: 3 },
    lenet: { architecture: "lenet", input: [8, 8, 1], channels: [3, 4], hidden: [6], classes: 3 },
    vgg: { architecture: "vgg", input: [8, 8, 2], depth: 11, norm: "none", width: 1 / 16, pools: 2, classes: 3 },
    "vgg, layer norm": {
      architecture: "vgg",
      input: [4, 4, 2],
      depth: 11,
      norm: "layer",
      width: 1 / 16,
      pools: 2,
      classes: 3,
    },
    "vgg, batch norm": {
      architecture: "vgg",
      input: [4, 4, 2],
      depth: 11,
      norm: "batch",
      width: 1 / 32,
      pools: 1,
      classes: 3,
    },
    resnet: { architecture: "resnet", input: [8, 8, 3], depth: 8, norm: "none", width: 3, classes: 3 },
    "resnet, layer norm": {
      architecture: "resnet",
      input: [8, 8, 3],
      depth: 8,
      norm: "layer",
      width: 4,
      shortcut: "conv3x3",
      classes: 3,
    },
    "resnet, batch norm": {
      architecture: "resnet",
      input: [8, 8, 3],
      depth: 8,
      norm: "batch",
      width: 3,
      shortcut: "pad",
      classes: 3,
    },
    vit: { architecture: "vit", input: [8, 8, 1], patch: 4, width: 8, depth: 1, heads: 2, classes: 3 },
    "vit, mean": {
      architecture: "vit",
      input: [8, 8, 3],
      patch: 4,
      width: 6,
      depth: 1,
      heads: 2,
      pooling: "mean",
      classes: 3,
    },
    "transformer, causal": {
      architecture: "transformer",
      vocabulary: 7,
      length: 5,
      width: 8,
      depth: 1,
      heads: 2,
      causal: true,
      classes: 7,
    },
    "transformer, mean": {
      architecture: "transformer",
      vocabulary: 7,
      length: 5,
      width: 8,
      depth: 1,
      heads: 2,
      causal: false,
      pooling: "mean",
      classes: 3,
    },
  }).map(([name, architecture]) => [name, architectureSchema.parse(architecture)]),
);

describe.skipIf(environment === undefined)("gradients on WebGPU (SwiftShader)", { timeout: 180_000 }, () => {
  let gpu: WebgpuTrainingBackend;
  beforeAll(async () => {
    await import("@tensorflow/tfjs-backend-cpu");
    Object.assign(process.env, environment);
    gpu = await startWebgpuBackend({ allowSoftware: true });
  });
  afterAll(() => gpu.dispose());

  it.each([...ARCHITECTURES])("of %s equal the CPU's to 1e-5", async (_, architecture) => {
    const expected = await forwardAndBackward("cpu", architecture);
    const found = await forwardAndBackward("webgpu", architecture);
    expect([...found.keys()]).toEqual([...expected.keys()]);
    for (const [name, values] of expected) {
      expect(worstDifference(found.get(name), values), name).toBeLessThan(1e-5);
    }
    // Not because there was nothing to compute. (A key's bias shifts all scores of a query alike, which softmax ignores.)
    const computed = [...expected].filter(([name]) => !name.endsWith("/key/bias"));
    const flat = computed.filter(([, values]) => values.every((value) => Math.abs(value) < 1e-4));
    expect(flat.map(([name]) => name)).toEqual([]);
  });

  it.each([
    ["matrix products", products],
    ["convolutions", convolutions],
    ["pooling", pooling],
    ["reductions", reductions],
  ])("of %s at sizes that take other shaders equal the CPU's", async (_, compute) => {
    const expected = await on("cpu", compute);
    const found = await on("webgpu", compute);
    for (const [index, values] of expected.entries()) {
      expect(worstDifference(found[index], values), `result ${index}`).toBeLessThan(1e-5);
    }
  });
});

/** Logits, loss, the gradient of every weight and the running statistics after the pass, by name. */
async function forwardAndBackward(backend: string, architecture: Architecture): Promise<Map<string, Float32Array>> {
  await tf.setBackend(backend);
  const model = buildModel(architecture);
  const { inputs, labels } = randomBatch(architecture, 3);
  try {
    const specs = weightSpecs(model);
    assignWeights(model, randomWeights(specs, 5n));
    const trainable = specs.filter((spec) => spec.trainable);
    const results = new Map<string, tf.Tensor>([["logits", model.predict(inputs) as tf.Tensor]]);
    const { value, grads } = tf.variableGrads(
      () => {
        const logits = tf.reshape(model.apply(inputs, { training: true }) as tf.Tensor, [labels.size, -1]);
        return tensorCrossEntropy(logits as tf.Tensor2D, tf.reshape(labels, [labels.size]) as tf.Tensor1D, 0.1);
      },
      trainable.map(({ variable }) => variable),
    );
    results.set("loss", value);
    for (const { name, variable } of trainable) results.set(name, grads[variable.name] ?? tf.scalar(Number.NaN));
    for (const { name, variable } of specs.filter((spec) => !spec.trainable)) results.set(name, variable);
    return new Map(
      await Promise.all(Array.from(results, async ([name, tensor]) => [name, await valuesOf(tensor)] as const)),
    );
  } finally {
    tf.dispose([inputs, labels]);
    model.dispose();
  }
}

async function on(backend: string, compute: () => tf.Tensor[]): Promise<Float32Array[]> {
  await tf.setBackend(backend);
  return Promise.all(tf.tidy(compute).map(valuesOf));
}

async function valuesOf(tensor: tf.Tensor): Promise<Float32Array> {
  return Float32Array.from(await tensor.data());
}

function wave(shape: number[], frequency: number): tf.Tensor {
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, index) => Math.sin(index * frequency) + Math.cos(index * index * 0.3)),
    shape,
  );
}

/** With both operands each way round; above and below the tile, at multiples of four and not. */
function products(): tf.Tensor[] {
  const sizes = [
    [33, 129, 65],
    [64, 256, 32],
    [1, 300, 10],
  ] as const;
  return sizes.flatMap(([rows, depth, columns]) =>
    [false, true].flatMap((left) =>
      [false, true].map((right) => {
        const a = wave(left ? [depth, rows] : [rows, depth], 1.7);
        const b = wave(right ? [columns, depth] : [depth, columns], 0.9);
        return tf.matMul(a, b, left, right);
      }),
    ),
  );
}

function convolutions(): tf.Tensor[] {
  const cases = [
    { side: 9, inputs: 3, outputs: 16, kernel: 3, stride: 1, padding: "same" },
    { side: 10, inputs: 16, outputs: 8, kernel: 3, stride: 2, padding: "same" },
    { side: 9, inputs: 4, outputs: 8, kernel: 1, stride: 2, padding: "same" },
    { side: 11, inputs: 5, outputs: 7, kernel: 5, stride: 1, padding: "valid" },
  ] as const;
  return cases.flatMap(({ side, inputs, outputs, kernel, stride, padding }) => {
    const image = wave([2, side, side, inputs], 1.7) as tf.Tensor4D;
    const filter = wave([kernel, kernel, inputs, outputs], 0.9) as tf.Tensor4D;
    const convolve = (x: tf.Tensor, w: tf.Tensor) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, padding);
    return [
      convolve(image, filter),
      ...tf.grads((x, w) => weighted(convolve(x as tf.Tensor, w as tf.Tensor)))([image, filter]),
    ];
  });
}

function pooling(): tf.Tensor[] {
  const image = wave([2, 9, 9, 4], 1.7) as tf.Tensor4D;
  return (["same", "valid"] as const).flatMap((padding) =>
    [
      (x: tf.Tensor) => tf.maxPool(x as tf.Tensor4D, 2, 2, padding),
      (x: tf.Tensor) => tf.avgPool(x as tf.Tensor4D, 3, 2, padding),
    ].flatMap((pool) => [pool(image), tf.grad((x) => weighted(pool(x as tf.Tensor)))(image)]),
  );
}

function reductions(): tf.Tensor[] {
  const x = wave([7, 9, 130], 1.7);
  return [tf.sum(x, 2), tf.sum(x, [0, 1]), tf.mean(x, 2, true), tf.max(x, 2, true), tf.sum(x), tf.softmax(x)];
}

/** A scalar whose gradient differs from element to element. */
function weighted(tensor: tf.Tensor): tf.Scalar {
  return tf.sum(tf.mul(tensor, wave(tensor.shape, 0.31)));
}
