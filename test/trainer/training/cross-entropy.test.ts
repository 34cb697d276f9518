import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { startWasmBackend } from "../../../trainer/backend/wasm.ts";
import type { TrainingBackend } from "../../../trainer/backend/training-backend.ts";
import { tensorCrossEntropy } from "../../../trainer/training/cross-entropy.ts";

/** By `test/support/generate-optimizer-goldens.py`. */
interface Golden {
  readonly crossEntropies: readonly {
    readonly smoothing: number;
    readonly logits: number[][];
    readonly labels: number[];
    readonly loss: number;
    readonly gradient: number[][];
  }[];
}

const golden = JSON.parse(readFileSync(new URL("optimizers/torch-golden.json", import.meta.url), "utf8")) as Golden;

let ofWasm: TrainingBackend["crossEntropy"];
const FORMS = [
  {
    form: "the kernel",
    backend: "wasm",
    crossEntropy: (...args: Parameters<typeof tensorCrossEntropy>) => ofWasm(...args),
  },
  { form: "tfjs ops", backend: "cpu", crossEntropy: tensorCrossEntropy },
];

/** Loss and gradient, times `upstream`. */
function evaluate(
  crossEntropy: typeof tensorCrossEntropy,
  logits: number[][],
  labels: number[],
  smoothing: number,
  upstream = 1,
): { loss: number; gradient: number[][] } {
  return tf.tidy(() => {
    const y = tf.tensor1d(labels, "int32");
    const scaled = (x: tf.Tensor) => tf.mul(crossEntropy(x as tf.Tensor2D, y, smoothing), upstream);
    const { value, grad } = tf.valueAndGrad(scaled)(tf.tensor2d(logits));
    return { loss: value.dataSync()[0] ?? Number.NaN, gradient: grad.arraySync() as number[][] };
  });
}

beforeAll(async () => {
  await import("@tensorflow/tfjs-backend-cpu");
  // Brings the gradients; the core alone has none.
  await import("@tensorflow/tfjs-layers");
  ofWasm = (await startWasmBackend()).crossEntropy;
});

describe.each(FORMS)("cross-entropy by $form", ({ backend, crossEntropy }) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
  });

  it.each(golden.crossEntropies)(
    "is PyTorch's, smoothing $smoothing",
    ({ smoothing, logits, labels, loss, gradient }) => {
      const actual = evaluate(crossEntropy, logits, labels, smoothing);
      expect(actual.loss).toBeCloseTo(loss, 5);
      gradient.forEach((row, i) => row.forEach((value, j) => expect(actual.gradient[i]?.[j]).toBeCloseTo(value, 6)));
      const doubled = evaluate(crossEntropy, logits, labels, smoothing, -2);
      expect(doubled.gradient[0]?.[0]).toBeCloseTo(-2 * (gradient[0]?.[0] ?? 0), 6);
    },
  );

  it("is the textbook's in float64, and its gradients sum to 0 over the classes", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 2, max: 19 }),
        fc.integer({ min: 0, max: 100_000 }),
        fc.constantFrom(0, 0.1, 0.5, 0.9),
        (rows, classes, seed, smoothing) => {
          const logits = Array.from({ length: rows }, (_, i) =>
            Array.from({ length: classes }, (_unused, j) => Math.fround(6 * Math.sin(seed + 31 * i + 7 * j))),
          );
          const labels = Array.from({ length: rows }, (_, i) => (seed + i) % classes);
          const { loss, gradient } = evaluate(crossEntropy, logits, labels, smoothing);
          let expected = 0;
          for (const [i, row] of logits.entries()) {
            const total = row.reduce((sum, value) => sum + Math.exp(value), 0);
            for (const [j, value] of row.entries()) {
              const target = (j === labels[i] ? 1 - smoothing : 0) + smoothing / classes;
              expected -= (target * (value - Math.log(total))) / rows;
              expect(gradient[i]?.[j]).toBeCloseTo((Math.exp(value) / total - target) / rows, 6);
            }
            expect(gradient[i]?.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 6);
          }
          expect(Math.abs(loss - expected)).toBeLessThan(1e-5 * (1 + expected));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("is finite for logits of any size, and for classes that are ruled out", () => {
    const { loss, gradient } = evaluate(
      crossEntropy,
      [
        [1000, 999, -1000],
        [-1e30, 3, 2],
        [0, Number.NEGATIVE_INFINITY, 0],
      ],
      [0, 1, 2],
      0,
    );
    const soft = Math.log(1 + Math.exp(-1));
    expect(loss).toBeCloseTo((soft + soft + Math.log(2)) / 3, 5);
    expect(gradient[2]).toEqual([expect.closeTo(1 / 6, 6), 0, expect.closeTo(-1 / 6, 6)]);
    expect(evaluate(crossEntropy, [[Number.NaN, 0]], [1], 0).loss).toBeNaN();
  });
});
