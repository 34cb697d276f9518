import * as tf from "@tensorflow/tfjs-core";
import { addKernel, type KernelCall, replaceKernel } from "./replace-kernel.ts";
import { addressOf } from "./tensor-memory.ts";
import type { TrainingKernels } from "./training.ts";

type SegmentSum = KernelCall<{ x: tf.TensorInfo; segmentIds: tf.TensorInfo }, { readonly numSegments: number }>;
type OneHot = KernelCall<
  { indices: tf.TensorInfo },
  { readonly dtype: tf.DataType; readonly depth: number; readonly onValue: number; readonly offValue: number }
>;

/**
 * Adds the sum of rows by segment, which is the gradient of looking up rows of a table and which tfjs's WASM backend lacks.
 *
 * Mends `OneHot`: the stock kernel writes integers whatever the type, so that a float32 one-hot holds 1.4e-45 for 1.
 */
export function registerLookupKernels(kernels: TrainingKernels): void {
  addKernel<SegmentSum>(tf.UnsortedSegmentSum, ({ inputs: { x, segmentIds }, attrs: { numSegments }, backend }) => {
    if (x.dtype !== "float32" || segmentIds.dtype !== "int32" || segmentIds.shape.length !== 1) {
      throw new Error(`the sum of ${x.dtype} by ${segmentIds.dtype}[${segmentIds.shape}] is not supported`);
    }
    const [rows = 0, ...kept] = x.shape;
    const out = backend.makeOutput([numSegments, ...kept], "float32");
    const [values, segments, sums] = [x, segmentIds, out].map((tensor) => addressOf(backend, tensor));
    kernels.sumSegments(values ?? 0, segments ?? 0, sums ?? 0, rows, tf.util.sizeFromShape(kept), numSegments);
    return out;
  });
  replaceKernel<OneHot>(tf.OneHot, (stock) => (call) => {
    const { inputs, attrs, backend } = call;
    const { dtype, depth, onValue, offValue } = attrs;
    if (dtype !== "float32") return stock(call);
    const out = backend.makeOutput([...inputs.indices.shape, depth], "float32");
    const count = tf.util.sizeFromShape(inputs.indices.shape);
    const { buffer } = kernels.heap.memory;
    const indices = new Int32Array(buffer, addressOf(backend, inputs.indices), count);
    const values = new Float32Array(buffer, addressOf(backend, out), count * depth).fill(offValue);
    indices.forEach((index, row) => {
      if (index >= 0 && index < depth) values[row * depth + index] = onValue;
    });
    return out;
  });
}
