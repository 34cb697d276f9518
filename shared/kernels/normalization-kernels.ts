import * as tf from "@tensorflow/tfjs-core";
import type { OwnKernel } from "./own-kernels.ts";
import { addKernel, type KernelCall } from "./replace-kernel.ts";
import { addressOf } from "./tensor-memory.ts";
import type { TrainingKernels } from "./training.ts";

/** Normalisation on the heap, float32, by address; arrays as in `assembly/training/standardize.ts`. */
export interface NormalizationKernels {
  standardizeRows(...values: number[]): void;
  standardizeRowsGradient(...values: number[]): void;
  standardizeColumns(...values: number[]): void;
  standardizeColumnsGradient(...values: number[]): void;
}

type Over = "channels" | "positions";
type Forward = KernelCall<
  { x: tf.TensorInfo; gamma: tf.TensorInfo; beta: tf.TensorInfo },
  { readonly over: Over; readonly epsilon: number }
>;
type Gradient = KernelCall<
  { dy: tf.TensorInfo; normal: tf.TensorInfo; inverse: tf.TensorInfo; gamma: tf.TensorInfo },
  { readonly over: Over }
>;

/** Adds layer and batch normalisation and their gradients; see `own-kernels.ts`. */
export function registerNormalizationKernels({ normalization }: TrainingKernels): void {
  addKernel<Forward>("EdgefuseStandardize" satisfies OwnKernel, ({ inputs: { x, gamma, beta }, attrs, backend }) => {
    const columns = x.shape.at(-1) ?? 1;
    const rows = tf.util.sizeFromShape(x.shape.slice(0, -1));
    const out = backend.makeOutput(x.shape, "float32");
    const normal = backend.makeOutput(x.shape, "float32");
    const inverse = backend.makeOutput([attrs.over === "channels" ? rows : columns], "float32");
    const at = (tensor: tf.TensorInfo) => addressOf(backend, tensor);
    const arrays = [x, gamma, beta, out, normal, inverse].map(at);
    if (attrs.over === "channels") {
      normalization.standardizeRows(...arrays, rows, columns, attrs.epsilon);
      return [out, normal, inverse];
    }
    const mean = backend.makeOutput([columns], "float32");
    const variance = backend.makeOutput([columns], "float32");
    normalization.standardizeColumns(...arrays, at(mean), at(variance), rows, columns, attrs.epsilon);
    return [out, normal, inverse, mean, variance];
  });
  addKernel<Gradient>("EdgefuseStandardizeGradient" satisfies OwnKernel, ({ inputs, attrs, backend }) => {
    const { dy, normal, inverse, gamma } = inputs;
    const columns = dy.shape.at(-1) ?? 1;
    const rows = tf.util.sizeFromShape(dy.shape.slice(0, -1));
    const out = backend.makeOutput(dy.shape, "float32");
    const gammaGradient = backend.makeOutput([columns], "float32");
    const betaGradient = backend.makeOutput([columns], "float32");
    const arrays = [dy, normal, inverse, gamma, out, gammaGradient, betaGradient].map((tensor) =>
      addressOf(backend, tensor),
    );
    if (attrs.over === "channels") normalization.standardizeRowsGradient(...arrays, rows, columns);
    else normalization.standardizeColumnsGradient(...arrays, rows, columns);
    return [out, gammaGradient, betaGradient];
  });
}
