import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { beforeAll, describe, expect, it } from "vitest";
import { weightSpecs } from "../../../shared/models/weights.ts";
import { tensorCrossEntropy } from "../../../trainer/training/cross-entropy.ts";
import { createGradientStep } from "../../../trainer/training/gradient-step.ts";
import { createTensorOptimizer } from "../../../trainer/training/optimizers/tensor-optimizer.ts";
import { lossAndGradients } from "./mlp-oracle.ts";
import {
  CLASSES,
  backend,
  chain,
  dense,
  gradientsBySteps,
  makeBatch,
  makeModel,
  optimizerFor,
  oracleLayers,
  parametersOf,
  planned,
  startBackend,
} from "./step-models.ts";

beforeAll(startBackend);

describe("a model with batch normalisation", () => {
  function normed(): tfl.LayersModel {
    return chain(dense({ name: "in" }), tfl.layers.batchNormalization({ name: "norm", momentum: 0.9 }), dense());
  }

  it("moves its running statistics once a step, and the optimizer never", () => {
    const model = normed();
    // The identity: what the norm sees is the batch.
    model.getLayer("in").setWeights([tf.eye(4), tf.zeros([4])]);
    const optimizer = optimizerFor(model, 0.4, 0.9);
    expect(optimizer.parameters.map(({ name }) => name)).not.toContain("norm/moving_mean");
    const step = planned(model, optimizer);
    const x = tf.tensor2d([
      [1, 2, 3, 4],
      [3, 2, 1, 0],
    ]);
    const y = tf.tensor1d([0, 1], "int32");
    step(x, y, 0);
    const read = (name: string) =>
      weightSpecs(model)
        .find((spec) => spec.name === name)
        ?.variable.arraySync() as number[];
    // 0.9 of the start plus 0.1 of the batch's mean 2 and variance; had it run twice, 0.38.
    for (const value of read("norm/moving_mean")) expect(value).toBeCloseTo(0.2, 5);
    step(x, y, 0);
    for (const value of read("norm/moving_mean")) expect(value).toBeCloseTo(0.38, 5);
    const variances = [1, 0, 1, 4];
    read("norm/moving_variance").forEach((value, i) => expect(value).toBeCloseTo(0.81 + 0.19 * (variances[i] ?? 9), 5));
    step.dispose();
    optimizer.dispose();
    model.dispose();
    tf.dispose([x, y]);
  });
});

describe("a model that answers for every position", () => {
  const LENGTH = 3;

  /** [length] tokens of 4 features to [length, 5] logits: a dense layer at every position. */
  function sequence(): tfl.LayersModel {
    const start = tfl.input({ shape: [LENGTH, 4] });
    const end = tfl.layers.dense({ units: CLASSES, name: "output" }).apply(start) as tfl.SymbolicTensor;
    return tfl.model({ inputs: start, outputs: end });
  }

  it("has the loss and gradients of its positions as samples of their own", () => {
    const model = sequence();
    const labels = [0, 1, 2, 3, 4, 0];
    const x = tf.randomUniform([2, LENGTH, 4], -1, 1, "float32", 3);
    const y = tf.tensor2d(labels, [2, LENGTH], "int32");
    const samples = (tf.reshape(x, [2 * LENGTH, 4]) as tf.Tensor2D).arraySync();
    const expected = lossAndGradients(oracleLayers(model), samples, labels);
    let loss = Number.NaN;
    const gradients = gradientsBySteps(model, (optimizer) => {
      loss = planned(model, optimizer)(x, y, 1);
    });
    expect(loss).toBeCloseTo(expected.loss, 5);
    expected.gradients[0]?.kernel
      .flat()
      .forEach((value, index) => expect(Math.abs((gradients[0]?.[index] ?? 9) - value)).toBeLessThan(1e-6));
    model.dispose();
    tf.dispose([x, y]);
  });

  it("refuses labels of another form, and names the sample of one that is no class", () => {
    const model = sequence();
    const optimizer = optimizerFor(model);
    const step = planned(model, optimizer);
    const x = tf.zeros([2, LENGTH, 4]);
    expect(() => step(x, tf.tensor1d([0, 1], "int32"), 1)).toThrow("labels are int32[2], not int32[2,3]");
    expect(() => step(x, tf.zeros([3, LENGTH], "int32"), 1)).toThrow("not int32[2,3]");
    expect(() => step(x, tf.tensor2d([0, 0, 0, 0, 9, 0], [2, LENGTH], "int32"), 1)).toThrow(
      "the label of sample 1 of the batch is not in [0, 5)",
    );
    optimizer.dispose();
    model.dispose();
    x.dispose();
  });
});

describe("on a backend whose values come later", () => {
  /** As on WebGPU, but for the arithmetic: tfjs ops throughout, losses as promises. */
  async function losses(kind: "wasm" | "webgpu"): Promise<number[]> {
    await import("@tensorflow/tfjs-backend-cpu");
    await tf.setBackend(kind === "wasm" ? "wasm" : "cpu");
    const model = makeModel([8, 8]);
    const adamw = { name: "adamw", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 } as const;
    const parameters = parametersOf(model, 0.4);
    const optimizer =
      kind === "wasm" ? backend.createOptimizer(adamw, parameters, 1) : createTensorOptimizer(adamw, parameters, 1);
    const engine = kind === "wasm" ? backend : { name: "webgpu" as const, crossEntropy: tensorCrossEntropy };
    const step = createGradientStep(model, optimizer, engine, { labelSmoothing: 0.1 });
    const { x, y } = makeBatch(12);
    const before = tf.memory().numTensors;
    const found = Array.from({ length: 20 }, () => step(x, y, 0.01));
    for (const loss of found) expect(loss instanceof Promise).toBe(kind === "webgpu");
    const values = await Promise.all(found);
    expect(tf.memory().numTensors).toBe(before);
    step.dispose();
    optimizer.dispose();
    model.dispose();
    tf.dispose([x, y]);
    return values;
  }

  it("has the losses of the CPU, as promises that several steps may leave open", async () => {
    const later = await losses("webgpu");
    const prompt = await losses("wasm");
    expect(later.at(-1)).toBeLessThan(later[0] ?? 0);
    later.forEach((loss, index) => expect(loss).toBeCloseTo(prompt[index] ?? Number.NaN, 4));
  });
});
