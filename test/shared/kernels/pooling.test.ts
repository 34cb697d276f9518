import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { expectSameAsCpu, randomTensor, startTrainingKernels } from "./beside-cpu.ts";

beforeAll(async () => {
  await startTrainingKernels();
});

interface Pooling {
  readonly input: [number, number, number, number];
  readonly window: [number, number];
  readonly strides: [number, number];
  readonly pad: "same" | "valid";
}

const size = (max: number) => fc.integer({ min: 1, max });
const poolings: fc.Arbitrary<Pooling> = fc
  .record({
    input: fc.tuple(size(3), size(9), size(9), fc.oneof(size(9), fc.constant(32))),
    window: fc.tuple(size(4), size(4)),
    strides: fc.tuple(size(3), size(3)),
    pad: fc.constantFrom<"same" | "valid">("same", "valid"),
  })
  .filter(({ input, window, pad }) => pad === "same" || (window[0] <= input[1] && window[1] <= input[2]));

function withGradient(pool: (x: tf.Tensor4D) => tf.Tensor, x: tf.Tensor): tf.Tensor[] {
  const y = pool(x as tf.Tensor4D);
  return [y, tf.grad((input) => pool(input as tf.Tensor4D))(x, randomTensor(y.shape, "dy"))];
}

describe("pooling and its gradient", () => {
  it("of the largest are the CPU backend's", async () => {
    await fc.assert(
      fc.asyncProperty(poolings, ({ input, window, strides, pad }) =>
        expectSameAsCpu(() => withGradient((x) => tf.maxPool(x, window, strides, pad), randomTensor(input, "x"))),
      ),
      { numRuns: 200 },
    );
  });

  it("of the mean are the CPU backend's", async () => {
    await fc.assert(
      fc.asyncProperty(poolings, ({ input, window, strides, pad }) =>
        expectSameAsCpu(() => {
          const [y, dx] = withGradient((x) => tf.avgPool(x, window, strides, pad), randomTensor(input, "x"));
          // The CPU backend's gradient is not the derivative of its own mean at the edges of padded images.
          return pad === "valid" ? [y as tf.Tensor, dx as tf.Tensor] : [y as tf.Tensor];
        }),
      ),
      { numRuns: 200 },
    );
  });

  it("of the mean are adjoint where windows hang over an edge", () => {
    fc.assert(
      fc.property(poolings, ({ input, window, strides, pad }) => {
        const [forward, backward] = tf.tidy(() => {
          const x = randomTensor(input, "x");
          const pool = (image: tf.Tensor) => tf.avgPool(image as tf.Tensor4D, window, strides, pad);
          const y = pool(x);
          const dy = randomTensor(y.shape, "dy");
          const dx = tf.grad(pool)(x, dy);
          return [tf.sum(tf.mul(y, dy)).dataSync()[0], tf.sum(tf.mul(x, dx)).dataSync()[0]];
        });
        expect(forward).toBeCloseTo(backward ?? Number.NaN, 3);
      }),
      { numRuns: 100 },
    );
  });

  it("of equal values gives the gradient to the first", () => {
    const gradient = tf.tidy(() =>
      tf
        .grad((x) => tf.maxPool(x as tf.Tensor4D, 2, 2, "valid"))(tf.ones([1, 2, 2, 5]), tf.ones([1, 1, 1, 5]))
        .dataSync(),
    );
    expect([...gradient]).toEqual([...Array<number>(5).fill(1), ...Array<number>(15).fill(0)]);
  });

  it("passes NaN on", () => {
    const largest = tf.tidy(() =>
      tf.maxPool(tf.tensor4d([1, Number.NaN, 3, 4, 5, 6, 7, 8], [1, 2, 4, 1]), 2, 2, "valid").dataSync(),
    );
    expect([...largest]).toEqual([Number.NaN, 8]);
  });
});
