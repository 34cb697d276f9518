import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, it } from "vitest";
import { expectSameAsCpu, randomTensor, startTrainingKernels } from "./beside-cpu.ts";

beforeAll(async () => {
  await startTrainingKernels();
});

const size = (max: number) => fc.integer({ min: 1, max });

describe("looking up rows", () => {
  it("and its gradient are the CPU backend's, rows looked up twice included", async () => {
    await fc.assert(
      fc.asyncProperty(
        size(9),
        size(11),
        fc.array(fc.nat(100), { minLength: 1, maxLength: 30 }),
        (rows, columns, picks) =>
          expectSameAsCpu(() => {
            const indices = tf.tensor1d(
              picks.map((pick) => pick % rows),
              "int32",
            );
            const table = randomTensor([rows, columns], "table");
            const dy = randomTensor([picks.length, columns], "dy");
            return [
              tf.gather(table, indices),
              tf.grad((values: tf.Tensor) => tf.gather(values, indices))(table, dy),
              tf.unsortedSegmentSum(dy, indices, rows + 2),
            ];
          }),
      ),
      { numRuns: 100 },
    );
  });

  it.each(["float32", "int32"] as const)("one-hot rows of %s are the CPU backend's", (dtype) =>
    expectSameAsCpu(() => {
      const indices = tf.tensor2d([3, 0, 4, -1, 2, 2], [2, 3], "int32");
      return [
        tf.cast(tf.oneHot(indices, 4, 1, 0, dtype), "float32"),
        tf.cast(tf.oneHot(indices, 4, 5, -2, dtype), "float32"),
      ];
    }),
  );
});
