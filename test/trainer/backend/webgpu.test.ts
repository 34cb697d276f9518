import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { frozenMask } from "../../../shared/alignment/mask.ts";
import { assignWeights, buildModel, initialWeights, weightSpecs } from "../../../shared/models/index.ts";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import { chooseBackend } from "../../../trainer/backend/choose-backend.ts";
import type { TrainingBackend, WebgpuTrainingBackend } from "../../../trainer/backend/training-backend.ts";
import { startWebgpuBackend } from "../../../trainer/backend/webgpu.ts";
import { tensorCrossEntropy } from "../../../trainer/training/cross-entropy.ts";
import { createGradientStep } from "../../../trainer/training/gradient-step.ts";
import { createTensorOptimizer } from "../../../trainer/training/optimizers/tensor-optimizer.ts";
import { type OptimizerSpec, sgd } from "../../../trainer/training/regime.ts";
import { trainFamily } from "../../../trainer/training/run-family.ts";
import { softwareGpu } from "../../support/software-gpu.ts";
import { tinyDataset } from "../training/tiny-dataset.ts";
import { randomBatch, worstDifference } from "./model-batches.ts";

const environment = await softwareGpu();
Object.assign(process.env, environment);

const ARCHITECTURE = { architecture: "mlp", input: [4, 4, 1], hidden: [16, 12], classes: 4 } as const;
const FIXED_RATIO = 0.4;

const DECAY = 0.01;
const OPTIMIZERS: [string, OptimizerSpec][] = [
  ["SGD", { name: "sgd", momentum: 0, nesterov: false, weightDecay: DECAY }],
  ["Nesterov", { name: "sgd", momentum: 0.9, nesterov: true, weightDecay: DECAY }],
  ["Adam", { name: "adam", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: DECAY }],
  ["AdamW", { name: "adamw", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: DECAY }],
];

/** The plain CPU, computing what a GPU computes. */
const CPU: Pick<TrainingBackend, "name" | "crossEntropy"> = { name: "webgpu", crossEntropy: tensorCrossEntropy };

describe.skipIf(environment === undefined)("training on WebGPU (SwiftShader)", { timeout: 180_000 }, () => {
  let gpu: WebgpuTrainingBackend;
  beforeAll(async () => {
    await import("@tensorflow/tfjs-backend-cpu");
    gpu = await startWebgpuBackend({ allowSoftware: true });
  });
  afterAll(() => gpu.dispose());

  it("is tfjs's current backend and names its adapter", () => {
    expect(tf.getBackend()).toBe("webgpu");
    expect(gpu.adapter).toMatch(/swiftshader.*, software$/i);
    // Node does not exit while this can be reached.
    expect("gpu" in globalThis.navigator).toBe(false);
  });

  it.each(OPTIMIZERS)("takes the CPU's steps with %s, and leaves frozen bits alone", async (_, optimizer) => {
    const expected = await takeSteps("cpu", optimizer);
    const found = await takeSteps("webgpu", optimizer);
    expect(worstDifference(found.losses, expected.losses)).toBeLessThan(1e-5);
    for (const [name, values] of expected.weights) {
      const trained = found.weights.get(name);
      expect(worstDifference(trained, values), name).toBeLessThan(1e-5);
      const [before, after] = [bitsOf(found.initial.get(name)), bitsOf(trained)];
      const mask = frozenMask({ seed: 5n, fixedRatio: FIXED_RATIO }, name, 0, values.length);
      expect(mask.includes(1)).toBe(true);
      expect(mask.every((frozen, index) => frozen === 0 || before[index] === after[index])).toBe(true);
      expect(mask.some((frozen, index) => frozen === 0 && before[index] !== after[index])).toBe(true);
    }
  });

  it("keeps no tensors from step to step", async () => {
    await tf.setBackend("webgpu");
    const before = tf.memory().numTensors;
    await takeSteps("webgpu", { name: "adam", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 });
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses to read values at once, which only a browser can", async () => {
    await tf.setBackend("webgpu");
    const product = tf.matMul(tf.ones([40, 40]), tf.ones([40, 40]));
    expect(() => product.dataSync()).toThrow(/asynchronously.*data\(\)/);
    expect((await product.data())[0]).toBe(40);
    product.dispose();
  });

  it("trains members in a thread as the CPU does, and records the adapter", async () => {
    const chosen = await chooseBackend("webgpu");
    const family = {
      dataset: tinyDataset(96, 32),
      architecture: { architecture: "mlp" as const, input: [4, 4, 1], hidden: [12], classes: 4 },
      seed: 11n,
      fixedRatio: FIXED_RATIO,
      models: 2,
      regime: { ...sgd(0.9), learningRate: 0.05, batch: 24, epochs: 2 },
    };
    const expected = await trainFamily(family, { threads: 1 });
    const found = await trainFamily(family, { backend: chosen });
    expect(found.map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
    for (const [index, member] of found.entries()) {
      expect(member.backend).toBe("webgpu");
      expect(member.adapter).toMatch(/swiftshader/);
      expect(member.initialDigest).toBe(expected[index]?.initialDigest);
      const [onGpu, onCpu] = [weightsIn(member.file), weightsIn(expected[index]?.file ?? new Uint8Array())];
      for (const [name, values] of onCpu) expect(worstDifference(onGpu.get(name), values), name).toBeLessThan(1e-5);
      const training = JSON.parse(decodeSafetensors(member.file).header.metadata["edgefuse.training"] ?? "{}");
      expect(training).toMatchObject({ backend: "webgpu", adapter: member.adapter });
    }
  });

  // Last: the device is good for nothing after.
  it("fails the next read after a command that the GPU refused, instead of giving garbage", async () => {
    await tf.setBackend("webgpu");
    // 1.6 GB, more than any buffer of the device; the values exist nowhere but there.
    const tooLarge = tf.add(tf.ones([20_000, 1]), tf.ones([1, 20_000]));
    await expect(tooLarge.data()).rejects.toMatchObject({ kind: "out-of-memory" });
  });
});

/** A few steps of a masked network on random samples. */
async function takeSteps(backend: "cpu" | "webgpu", spec: OptimizerSpec) {
  await tf.setBackend(backend);
  const model = buildModel({ ...ARCHITECTURE, input: [...ARCHITECTURE.input], hidden: [...ARCHITECTURE.hidden] });
  const initial = initialWeights(model, 3n);
  assignWeights(model, initial);
  const optimizer = createTensorOptimizer(
    spec,
    weightSpecs(model).map(({ name, variable }) => {
      const frozen = frozenMask({ seed: 5n, fixedRatio: FIXED_RATIO }, name, 0, variable.size);
      return { name, variable, frozen };
    }),
  );
  const step = createGradientStep(model, optimizer, CPU, { labelSmoothing: 0.1 });
  const { inputs, labels } = randomBatch({ ...ARCHITECTURE, input: [4, 4, 1], hidden: [] }, 20);
  try {
    // All at once: what a step gives must not depend on when it is read.
    const losses = await Promise.all([0.1, 0.05, 0.02].map((rate) => step(inputs, labels, rate / 10)));
    const weights = await Promise.all(
      weightSpecs(model).map(async ({ name, variable }) => [name, Float32Array.from(await variable.data())] as const),
    );
    return {
      losses: Float32Array.from(losses),
      weights: new Map(weights),
      initial: new Map(Array.from(initial, ([name, { values }]) => [name, values] as const)),
    };
  } finally {
    tf.dispose([inputs, labels]);
    step.dispose();
    optimizer.dispose();
    model.dispose();
  }
}

function weightsIn(file: Uint8Array<ArrayBuffer>): Map<string, Float32Array> {
  const { header, bytes } = decodeSafetensors(file);
  return new Map(header.tensors.map((tensor) => [tensor.name, new Float32Array(bytes(tensor).slice().buffer)]));
}

function bitsOf(values: Float32Array | undefined): Uint32Array {
  return values === undefined ? new Uint32Array() : new Uint32Array(values.slice().buffer);
}
