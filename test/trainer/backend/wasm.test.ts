import { Worker } from "node:worker_threads";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { RandomStream } from "../../../shared/random/stream.ts";
import { compileKernels, startWasmBackend, type WasmTrainingBackend } from "../../../trainer/backend/wasm.ts";

let backend: WasmTrainingBackend;
beforeAll(async () => {
  backend = await startWasmBackend();
});

function values(count: number, name: string): Float32Array<ArrayBuffer> {
  const random = new RandomStream(7n, name);
  return Float32Array.from({ length: count }, () => 2 * random.uniform() - 1);
}

interface Operand {
  readonly values: Float32Array;
  readonly transposed: boolean;
}

/** op(a) op(b) + bias in float64, and the same of the absolute values. */
function productOracle(a: Operand, b: Operand, rows: number, columns: number, depth: number, bias?: Float32Array) {
  const exact = new Float64Array(rows * columns);
  const magnitude = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = bias?.[j] ?? 0;
      let size = Math.abs(sum);
      for (let k = 0; k < depth; k++) {
        const left = a.values[a.transposed ? k * rows + i : i * depth + k] ?? Number.NaN;
        const right = b.values[b.transposed ? j * depth + k : k * columns + j] ?? Number.NaN;
        sum += left * right;
        size += Math.abs(left * right);
      }
      exact[i * columns + j] = sum;
      magnitude[i * columns + j] = size;
    }
  }
  return { exact, magnitude };
}

/**
 * A float32 sum of n products in any order errs by at most n u / (1 - n u) times the sum of magnitudes, u = 2^-24
 * (Higham, Accuracy and Stability of Numerical Algorithms, 3.5); one for the bias, one for the result.
 * @param magnitude a bound for every element, or one for all
 */
function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  magnitude: ArrayLike<number> | number,
  terms: number,
): void {
  expect(actual.length).toBe(expected.length);
  const relative = ((terms + 2) * 2 ** -24) / (1 - (terms + 2) * 2 ** -24);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const bound = relative * (typeof magnitude === "number" ? magnitude : (magnitude[i] ?? 0));
    const excess = Math.abs((actual[i] ?? Number.NaN) - (expected[i] ?? Number.NaN)) / bound;
    worst = Number.isNaN(excess) ? Number.POSITIVE_INFINITY : Math.max(worst, excess);
  }
  expect(worst).toBeLessThanOrEqual(1);
}

const TRANSPOSITIONS = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const;

describe("products", () => {
  const sizes = [1, 3, 5, 17, 127, 128, 129];

  it.each(TRANSPOSITIONS)("agree with float64 for every size (transposeA %s, transposeB %s)", (onA, onB) => {
    for (const rows of sizes) {
      for (const columns of sizes) {
        for (const depth of sizes) {
          const a = { values: values(rows * depth, `a${rows},${depth}`), transposed: onA };
          const b = { values: values(depth * columns, `b${depth},${columns}`), transposed: onB };
          const actual = tf.tidy(() =>
            tf
              .matMul(
                tf.tensor2d(a.values, onA ? [depth, rows] : [rows, depth]),
                tf.tensor2d(b.values, onB ? [columns, depth] : [depth, columns]),
                onA,
                onB,
              )
              .dataSync(),
          );
          const { exact, magnitude } = productOracle(a, b, rows, columns, depth);
          expectClose(actual, exact, magnitude, depth);
        }
      }
    }
  });

  // Beyond one block in each direction: 192 rows, 1024 columns, a depth of 384.
  it.each(TRANSPOSITIONS)("agree across blocks (transposeA %s, transposeB %s)", (onA, onB) => {
    const [rows, columns, depth] = [199, 1037, 1025];
    const a = { values: values(rows * depth, "a"), transposed: onA };
    const b = { values: values(depth * columns, "b"), transposed: onB };
    const bias = values(columns, "bias");
    const actual = tf.tidy(() =>
      tf.fused
        .matMul({
          a: tf.tensor2d(a.values, onA ? [depth, rows] : [rows, depth]),
          b: tf.tensor2d(b.values, onB ? [columns, depth] : [depth, columns]),
          transposeA: onA,
          transposeB: onB,
          bias: tf.tensor1d(bias),
          activation: "relu",
        })
        .dataSync(),
    );
    const { exact, magnitude } = productOracle(a, b, rows, columns, depth, bias);
    const positive = exact.map((value) => Math.max(0, value));
    expectClose(actual, positive, magnitude, depth);
  });

  it("broadcast the dimensions before the last two", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom("both", "a", "b")), { maxLength: 3 }),
        fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
        fc.constantFrom(...TRANSPOSITIONS),
        (outer, [rows, columns, depth], [onA, onB]) => {
          const outerA = outer.map(([size, who]) => (who === "b" ? 1 : size));
          const outerB = outer.map(([size, who]) => (who === "a" ? 1 : size));
          const actual = tf.tidy(() => {
            const a = tf.randomUniform([...outerA, ...(onA ? [depth, rows] : [rows, depth])], -1, 1);
            const b = tf.randomUniform([...outerB, ...(onB ? [columns, depth] : [depth, columns])], -1, 1);
            const product = tf.matMul(a, b, onA, onB);
            // Without a product: the same by multiplying and summing.
            const rank = outer.length;
            const swap = [...outer.keys(), rank + 1, rank];
            const left = tf.expandDims(onA ? tf.transpose(a, swap) : a, rank + 2);
            const right = tf.expandDims(onB ? tf.transpose(b, swap) : b, rank);
            const expected = tf.sum(tf.mul(left, right), rank + 1);
            expect(product.shape).toEqual(expected.shape);
            return { product: product.dataSync(), expected: expected.dataSync() };
          });
          // Two float32 computations, entries in [-1, 1].
          expectClose(actual.product, actual.expected, 2 * depth, depth);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("pass NaN and infinities on, through ReLU too", () => {
    const out = tf.tidy(() =>
      tf.fused
        .matMul({
          a: tf.tensor2d([[Number.NaN], [1], [-1]]),
          b: tf.tensor2d([[1, Number.POSITIVE_INFINITY]]),
          bias: tf.tensor1d([0, 0]),
          activation: "relu",
        })
        .arraySync(),
    );
    expect(out).toEqual([
      [Number.NaN, Number.NaN],
      [1, Number.POSITIVE_INFINITY],
      [0, 0],
    ]);
  });

  it("of nothing are the bias", () => {
    const out = tf.tidy(() =>
      tf.fused.matMul({ a: tf.zeros([2, 0]), b: tf.zeros([0, 3]), bias: tf.tensor1d([1, 2, 3]) }).arraySync(),
    );
    expect(out).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  it("leave other activations to tfjs", () => {
    const out = tf.tidy(() =>
      tf.fused.matMul({ a: tf.tensor2d([[1]]), b: tf.tensor2d([[9]]), activation: "relu6" }).dataSync(),
    );
    expect([...out]).toEqual([6]);
  });
});

describe("sums", () => {
  it.each([
    { shape: [5, 7], axis: 0 },
    { shape: [128, 10], axis: 0 },
    { shape: [3, 4, 5], axis: [0, 1] },
    { shape: [3, 4, 5], axis: [1] },
    { shape: [3, 4, 5], axis: [-3] },
    { shape: [6], axis: 0 },
  ])("of $shape over $axis are tfjs's", ({ shape, axis }) => {
    const size = tf.util.sizeFromShape(shape);
    const [kept, dropped] = tf.tidy(() => {
      const x = tf.tensor(
        Float32Array.from({ length: size }, (_, index) => index % 13),
        shape,
      );
      return [tf.sum(x, axis, true), tf.sum(x, axis)].map((sum) => ({ shape: sum.shape, values: [...sum.dataSync()] }));
    });
    const axes = new Set([axis].flat().map((value) => (value < 0 ? value + shape.length : value)));
    expect(dropped?.shape).toEqual(shape.filter((_, index) => !axes.has(index)));
    expect(kept?.shape).toEqual(shape.map((length, index) => (axes.has(index) ? 1 : length)));
    // Small integers: every order of summation is exact.
    const expected = new Map<string, number>();
    for (let index = 0; index < size; index++) {
      const key = tf.util
        .indexToLoc(index, shape.length, tf.util.computeStrides(shape))
        .filter((_, dimension) => !axes.has(dimension))
        .join();
      expected.set(key, (expected.get(key) ?? 0) + (index % 13));
    }
    expect(dropped?.values).toEqual([...expected.values()]);
    expect(kept?.values).toEqual([...expected.values()]);
  });

  it("of integers stay tfjs's", () => {
    const out = tf.tidy(() => tf.sum(tf.tensor2d([1, 2, 3, 4], [2, 2], "int32"), 0).arraySync());
    expect(out).toEqual([4, 6]);
  });
});

describe("softmax cross-entropy", () => {
  it("is stable for large logits and agrees with float64", () => {
    const { heap } = backend.kernels;
    const rows = [
      [1000, 999, -1000],
      [0, 0, 0],
      [-1e30, 3, 2],
      [0.25, -0.5, 700],
    ];
    const labels = [0, 2, 1, 1];
    const [logits, classes, gradient] = [heap.allocate(48), heap.allocate(16), heap.allocate(48)];
    new Float32Array(heap.memory.buffer, logits, 12).set(rows.flat());
    new Int32Array(heap.memory.buffer, classes, 4).set(labels);
    const loss = backend.kernels.softmaxCrossEntropy(logits, classes, gradient, 4, 3);
    const actual = [...new Float32Array(heap.memory.buffer, gradient, 12)];
    let expectedLoss = 0;
    const expected = rows.flatMap((row, index) => {
      const largest = Math.max(...row);
      const powers = row.map((value) => Math.exp(value - largest));
      const sum = powers.reduce((total, power) => total + power, 0);
      expectedLoss += (Math.log(sum) + largest - (row[labels[index] ?? 0] ?? 0)) / 4;
      return powers.map((power, unit) => (power / sum - (unit === labels[index] ? 1 : 0)) / 4);
    });
    expect(loss).toBeCloseTo(expectedLoss, 12);
    actual.forEach((value, index) => expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 7));

    new Int32Array(heap.memory.buffer, classes, 4)[2] = 3;
    expect(() => backend.kernels.softmaxCrossEntropy(logits, classes, gradient, 4, 3)).toThrow(
      "the label of sample 2 of the batch is not in [0, 3)",
    );
    [logits, classes, gradient].forEach((address) => heap.free(address));
  });
});

describe("the backend", () => {
  it("starts once a thread", async () => {
    expect(await startWasmBackend()).toBe(backend);
    expect(tf.getBackend()).toBe("wasm");
  });

  it("starts in a worker thread beside this one", async () => {
    const backendFile = new URL("../../../trainer/backend/wasm.ts", import.meta.url).href;
    const core = import.meta.resolve?.("@tensorflow/tfjs-core") ?? "@tensorflow/tfjs-core";
    const source = `
      const { parentPort } = require("node:worker_threads");
      (async () => {
        const { startWasmBackend } = await import(${JSON.stringify(backendFile)});
        const backend = await startWasmBackend();
        const tf = await import(${JSON.stringify(core)});
        const product = tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3, 4]]), false, true);
        parentPort.postMessage({ name: tf.getBackend(), product: [...product.dataSync()], address: backend.addressOf(product) > 0 });
      })().catch((error) => { throw error; });`;
    const worker = new Worker(source, { eval: true });
    const answer = await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    await worker.terminate();
    expect(answer).toEqual({ name: "wasm", product: [11], address: true });
  });

  it("says what to do where the kernels are not built", async () => {
    await expect(compileKernels(new URL("nothing.wasm", import.meta.url))).rejects.toThrow('run "npm run build"');
  });

  it("says what to do where the runtime cannot run them", async () => {
    await expect(compileKernels(new URL(import.meta.url))).rejects.toThrow("relaxed SIMD");
  });

  it("refuses the address of a disposed tensor", () => {
    const tensor = tf.zeros([1]);
    tensor.dispose();
    expect(() => backend.addressOf(tensor)).toThrow("disposed");
  });

  it("gives a variable memory of its own before it is changed in place", () => {
    const variable = tf.variable(tf.tensor1d([1, 2, 3]));
    const snapshot = variable.clone();
    const view = tf.reshape(variable, [3, 1]);
    const before = tf.memory().numTensors;
    const address = backend.addressForWriting(variable);
    new Float32Array(backend.kernels.heap.memory.buffer, address, 3).fill(9);
    expect([...variable.dataSync()]).toEqual([9, 9, 9]);
    expect([...view.dataSync()]).toEqual([1, 2, 3]);
    expect([...snapshot.dataSync()]).toEqual([1, 2, 3]);
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([variable, snapshot, view]);
  });
});
