import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { registerTrainingKernels } from "../../../shared/kernels/register.ts";
import { instantiateTrainingKernels, type TrainingKernels } from "../../../shared/kernels/training.ts";
import { RandomStream } from "../../../shared/random/stream.ts";
import { compileKernels, startWasmHeap } from "../../../trainer/backend/wasm-heap.ts";

const MODULE = new URL("../../../shared/kernels/build/training.wasm", import.meta.url);

/** Starts tfjs's WASM backend with all kernels for training. Once a test file. */
export async function startTrainingKernels(): Promise<TrainingKernels> {
  await import("@tensorflow/tfjs-backend-cpu");
  // Brings the gradients; the core alone has none.
  await import("@tensorflow/tfjs-layers");
  const [heap, module] = await Promise.all([startWasmHeap(), compileKernels(MODULE)]);
  const kernels = instantiateTrainingKernels(heap, module);
  registerTrainingKernels(kernels);
  return kernels;
}

/** Reproducible values in [-1, 1), and of normal sign mix. */
export function randomTensor(shape: readonly number[], name: string): tf.Tensor {
  const random = new RandomStream(19n, name);
  const size = shape.reduce((product, length) => product * length, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, () => 2 * random.uniform() - 1),
    [...shape],
    "float32",
  );
}

interface Values {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/**
 * Runs the same on the WASM backend and on tfjs's CPU backend, whose sums are float64, and expects the results to agree.
 * @param tolerance relative to the largest value of each result
 */
export async function expectSameAsCpu(run: () => readonly tf.Tensor[], tolerance = 1e-5): Promise<void> {
  const actual = await runOn("wasm", run);
  const expected = await runOn("cpu", run);
  await tf.setBackend("wasm");
  expect(actual.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape));
  expected.forEach(({ values }, index) => {
    expect(largestDifference(actual[index]?.values ?? new Float32Array(), values)).toBeLessThanOrEqual(tolerance);
  });
}

async function runOn(backend: string, run: () => readonly tf.Tensor[]): Promise<Values[]> {
  await tf.setBackend(backend);
  const before = tf.memory().numTensors;
  const results = tf.tidy(() =>
    run().map((tensor) => ({ shape: tensor.shape, values: tensor.dataSync() as Float32Array })),
  );
  expect(tf.memory().numTensors).toBe(before);
  return results;
}

/** The largest difference, as a share of the largest expected value; infinite where one alone is no number. */
export function largestDifference(actual: Float32Array, expected: Float32Array): number {
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < Math.max(expected.length, actual.length); i++) {
    const [left, right] = [actual[i] ?? Number.NaN, expected[i] ?? Number.NaN];
    largest = Math.max(largest, Math.abs(right));
    if (!Object.is(left, right)) difference = Math.max(difference, Math.abs(left - right));
    if (Number.isNaN(left) !== Number.isNaN(right)) return Number.POSITIVE_INFINITY;
  }
  return difference === 0 ? 0 : difference / largest;
}
