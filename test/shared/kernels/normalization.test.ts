import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { standardize } from "../../../shared/models/layers/standardize.ts";
import { expectSameAsCpu, randomTensor, startTrainingKernels } from "./beside-cpu.ts";

beforeAll(async () => {
  await startTrainingKernels();
});

const OVER = ["channels", "positions"] as const;

/** The output, what is observed, and all gradients. */
function normalize(shape: readonly number[], over: (typeof OVER)[number]): tf.Tensor[] {
  const channels = shape.at(-1) ?? 1;
  const inputs = [
    tf.add(tf.mul(randomTensor(shape, "x"), 3), 1),
    randomTensor([channels], "gamma"),
    randomTensor([channels], "beta"),
  ] as const;
  const observed: Float32Array[] = [];
  const y = standardize(...inputs, over, 1e-2, (mean, variance) =>
    observed.push(...[mean, variance].map((tensor) => tensor.dataSync<"float32">().slice())),
  );
  const dy = randomTensor(shape, "dy");
  const run = (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) => standardize(x, gamma, beta, over, 1e-2);
  return [y, ...observed.map((values) => tf.tensor1d(values)), ...tf.grads(run)([...inputs], dy)];
}

describe.each(OVER)("normalisation over %s", (over) => {
  it("and its gradients are those of tfjs's operations on the CPU backend", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 2, max: 21 }),
        (leading, channels) => expectSameAsCpu(() => normalize([...leading, channels], over), 2e-5),
      ),
      { numRuns: 100 },
    );
  });

  it.each([
    [300, 64],
    [1000, 6],
  ])("agree on %i positions of %i channels", (positions, channels) =>
    expectSameAsCpu(() => normalize([positions, channels], over)),
  );

  it("is accurate where the mean is large beside the deviation", () => {
    const [largest, mean] = tf.tidy(() => {
      const x = tf.add(randomTensor([512, 512], "x"), 100);
      const y = standardize(x, tf.ones([512]), tf.zeros([512]), over, 1e-5);
      return [tf.max(tf.abs(y)).dataSync()[0], tf.max(tf.abs(tf.mean(y, over === "channels" ? 1 : 0))).dataSync()[0]];
    });
    expect(largest).toBeGreaterThan(1.6);
    expect(largest).toBeLessThan(2.2);
    expect(mean).toBeLessThan(1e-4);
  });
});

describe("sums over rows", () => {
  it("stay accurate over many rows", () => {
    const rows = 200_000;
    const [sum] = tf.tidy(() => tf.sum(tf.fill([rows, 1], 0.1), 0).dataSync());
    expect(Math.abs((sum ?? 0) / (rows * Math.fround(0.1)) - 1)).toBeLessThan(1e-5);
  });
});
