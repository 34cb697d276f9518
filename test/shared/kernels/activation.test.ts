import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { runOwnKernel } from "../../../shared/kernels/own-kernels.ts";
import { expectSameAsCpu, randomTensor, startTrainingKernels } from "./beside-cpu.ts";

beforeAll(async () => {
  await startTrainingKernels();
});

const shapes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });

describe("softmax and its gradient", () => {
  it("are the CPU backend's for every length of a row", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.constantFrom(0.1, 1, 4), (shape, spread) =>
        expectSameAsCpu(() => {
          const x = tf.mul(randomTensor(shape, "x"), spread);
          const dy = randomTensor(shape, "dy");
          return [tf.softmax(x), tf.grad((logits: tf.Tensor) => tf.softmax(logits))(x, dy)];
        }),
      ),
      { numRuns: 150 },
    );
  });

  it("give exactly 0 to what is far below, and overflow nowhere", () => {
    const shares = tf.tidy(() => tf.softmax(tf.tensor2d([[1000, -1e9, 1000, -1e9, 900]])).dataSync());
    expect([...shares]).toEqual([0.5, 0, 0.5, 0, 0]);
  });

  it("keep a NaN to its row", () => {
    const rows = tf.tidy(() =>
      tf
        .softmax(
          tf.tensor2d([
            [0, Number.NaN],
            [0, 0],
          ]),
        )
        .dataSync(),
    );
    expect([...rows]).toEqual([Number.NaN, Number.NaN, 0.5, 0.5]);
  });
});

describe("ReLU's gradient", () => {
  it("is the CPU backend's", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, (shape) =>
        expectSameAsCpu(() => [
          tf.grad((x: tf.Tensor) => tf.relu(x))(randomTensor(shape, "x"), randomTensor(shape, "dy")),
        ]),
      ),
      { numRuns: 100 },
    );
  });

  it("is 0 at 0", () => {
    const gradient = tf.tidy(() =>
      tf
        .grad((x: tf.Tensor) => tf.relu(x))(tf.tensor1d([-1, -0, 0, 1, 2]))
        .dataSync(),
    );
    expect([...gradient]).toEqual([0, 0, 0, 1, 1]);
  });
});

describe("GELU", () => {
  /** Φ(x) by Simpson's rule in float64. */
  function cumulative(x: number): number {
    const steps = 2000;
    const width = x / steps;
    const density = (t: number) => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
    let sum = density(0) + density(x);
    for (let i = 1; i < steps; i++) sum += (i % 2 === 0 ? 2 : 4) * density(i * width);
    return 0.5 + (sum * width) / 3;
  }

  it("and its gradient are x Φ(x) and Φ(x) + x φ(x)", () => {
    const points = Array.from({ length: 243 }, (_, index) => Math.fround((index - 121) / 16));
    const [values, gradient] = tf.tidy(() => {
      const x = tf.tensor1d(points);
      const dy = tf.ones(x.shape);
      return [
        runOwnKernel("EdgefuseGelu", { x })?.[0]?.dataSync(),
        runOwnKernel("EdgefuseGeluGradient", { dy, x })?.[0]?.dataSync(),
      ];
    });
    points.forEach((x, index) => {
      const below = cumulative(x);
      expect(Math.abs((values?.[index] ?? Number.NaN) - x * below)).toBeLessThan(1e-6);
      const slope = below + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
      expect(Math.abs((gradient?.[index] ?? Number.NaN) - slope)).toBeLessThan(1e-6);
    });
  });
});

describe("clones and casts", () => {
  it("share memory and outlive what they were made from", () => {
    const before = tf.memory();
    const source = tf.tensor1d([1, 2, 3]);
    const clone = source.clone();
    const cast = tf.cast(source, "float32");
    expect(tf.memory().numDataBuffers - before.numDataBuffers).toBe(1);
    source.dispose();
    expect([...clone.dataSync()]).toEqual([1, 2, 3]);
    clone.dispose();
    expect([...cast.dataSync()]).toEqual([1, 2, 3]);
    cast.dispose();
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
    expect(tf.memory().numTensors).toBe(before.numTensors);
  });

  it("between types stay tfjs's", () => {
    expect(tf.tidy(() => [...tf.cast(tf.tensor1d([1.7, -2.2]), "int32").dataSync()])).toEqual([1, -2]);
  });
});
