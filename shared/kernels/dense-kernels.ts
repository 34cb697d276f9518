import * as tf from "@tensorflow/tfjs-core";
import { replaceKernel } from "./replace-kernel.ts";
import { addressOf, type WasmKernelBackend } from "./tensor-memory.ts";
import type { TrainingKernels } from "./training.ts";

/** tfjs's name of the product with bias and activation. */
const FUSED_MAT_MUL = "_FusedMatMul";

interface MatMulArguments {
  readonly inputs: { a: tf.TensorInfo; b: tf.TensorInfo; bias?: tf.TensorInfo; preluActivationWeights?: tf.TensorInfo };
  readonly backend: WasmKernelBackend;
  readonly attrs: { transposeA: boolean; transposeB: boolean; activation?: string };
}

interface SumArguments {
  readonly inputs: { x: tf.TensorInfo };
  readonly backend: WasmKernelBackend;
  readonly attrs: { axis: number | number[]; keepDims: boolean };
}

/**
 * Replaces kernels of the tfjs WASM backend that are too slow to train with.
 *
 * The stock products take a scalar path as soon as one operand is transposed, and the gradient of a product is made of
 * such products. The replacements pack both operands, so all four combinations run at one speed. The stock sum over
 * leading axes, which is the gradient of a bias, transposes first; the replacement adds rows.
 *
 * Products are accurate as float32 products are, but not bit-equal to the stock ones: the order of summation differs.
 */
export function registerDenseKernels(kernels: TrainingKernels): void {
  replaceKernel<MatMulArguments>(tf.BatchMatMul, () => (parameters) => batchMatMul(kernels, parameters, 0, false));
  replaceKernel<MatMulArguments>(FUSED_MAT_MUL, (stock) => (parameters) => {
    const { inputs, attrs, backend } = parameters;
    const { bias, preluActivationWeights } = inputs;
    const activation = attrs.activation ?? "linear";
    const columns = inputs.b.shape[inputs.b.shape.length - (attrs.transposeB ? 2 : 1)];
    const fits = bias === undefined || bias === null || (bias.shape.length === 1 && bias.shape[0] === columns);
    if (!fits || preluActivationWeights || (activation !== "linear" && activation !== "relu")) return stock(parameters);
    return batchMatMul(kernels, parameters, bias ? addressOf(backend, bias) : 0, activation === "relu");
  });
  replaceKernel<SumArguments>(tf.Sum, (stock) => (parameters) => sumLeading(kernels, parameters) ?? stock(parameters));
}

/** op(a) op(b) over the last two dimensions; the dimensions before them broadcast. */
function batchMatMul(
  kernels: TrainingKernels,
  { inputs: { a, b }, backend, attrs: { transposeA, transposeB } }: MatMulArguments,
  bias: number,
  relu: boolean,
): tf.TensorInfo {
  if (a.dtype !== "float32" || b.dtype !== "float32") {
    throw new Error(`the product of ${a.dtype} and ${b.dtype} is not supported; cast to float32`);
  }
  const [rows, depth] = lastTwo(a.shape, transposeA);
  const [innerB, columns] = lastTwo(b.shape, transposeB);
  if (depth !== innerB) {
    throw new Error(
      `inner dimensions differ: [${a.shape}]${transposeA ? " transposed" : ""} by [${b.shape}]${transposeB ? " transposed" : ""}`,
    );
  }
  const outerA = a.shape.slice(0, -2);
  const outerB = b.shape.slice(0, -2);
  const outer = tf.broadcast_util.assertAndGetBroadcastShape(outerA, outerB);
  const out = backend.makeOutput([...outer, rows, columns], "float32");
  const addresses = { a: addressOf(backend, a), b: addressOf(backend, b), out: addressOf(backend, out) };
  const size = { rows, columns, depth };

  const batches = tf.util.sizeFromShape(outer);
  const batchOfA = broadcastIndex(outerA, outer);
  const batchOfB = broadcastIndex(outerB, outer);
  for (let batch = 0; batch < batches; batch++) {
    kernels.product(
      addresses.a + 4 * rows * depth * batchOfA(batch),
      transposeA,
      addresses.b + 4 * depth * columns * batchOfB(batch),
      transposeB,
      addresses.out + 4 * rows * columns * batch,
      size,
      bias,
      relu,
    );
  }
  return out;
}

/** Sum over axes 0 … k - 1 of float32, as the sum of rows of a matrix; `undefined` where it is another sum. */
function sumLeading(
  kernels: TrainingKernels,
  { inputs: { x }, backend, attrs: { axis, keepDims } }: SumArguments,
): tf.TensorInfo | undefined {
  const axes = tf.util.parseAxisParam(axis, [...x.shape]).sort((left, right) => left - right);
  const leading = axes.length > 0 && axes.length < x.shape.length && axes.every((value, index) => value === index);
  if (!leading || x.dtype !== "float32") return undefined;
  const kept = x.shape.slice(axes.length);
  const out = backend.makeOutput(keepDims ? [...axes.map(() => 1), ...kept] : kept, "float32");
  const rows = tf.util.sizeFromShape(x.shape.slice(0, axes.length));
  kernels.reluBiasGradient(addressOf(backend, x), 0, addressOf(backend, out), rows, tf.util.sizeFromShape(kept));
  return out;
}

/** Rows and columns of a matrix after transposition. */
function lastTwo(shape: readonly number[], transposed: boolean): [number, number] {
  const [first = 1, second = 1] = shape.slice(-2);
  return transposed ? [second, first] : [first, second];
}

/** Maps an index into the broadcast shape to one into the operand's; both row-major. */
function broadcastIndex(shape: readonly number[], target: readonly number[]): (index: number) => number {
  if (shape.length === target.length && shape.every((size, axis) => size === target[axis])) return (index) => index;
  return (index) => {
    let rest = index;
    let stride = 1;
    let result = 0;
    for (let axis = target.length - 1; axis >= 0; axis--) {
      const length = target[axis] ?? 1;
      const own = shape[axis - target.length + shape.length] ?? 1;
      if (own > 1) result += stride * (rest % length);
      stride *= own;
      rest = Math.floor(rest / length);
    }
    return result;
  };
}
