import * as tf from "@tensorflow/tfjs-core";
import type { WasmTrainingBackend } from "../backend/training-backend.ts";

/**
 * Mean softmax cross-entropy of integer labels, of which the share `smoothing` is spread evenly over all classes (as
 * `label_smoothing` of torch.nn.CrossEntropyLoss), with its gradient for tfjs's tape. Plain ops, for any backend.
 * @param logits [rows, classes]
 * @param labels int32 [rows], each in [0, classes)
 * @returns a scalar
 */
export function tensorCrossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D, smoothing: number): tf.Scalar {
  const [rows, classes] = logits.shape;
  const loss = tf.customGrad((input, save) => {
    const scores = input as tf.Tensor2D;
    const shifted = tf.sub(scores, tf.max(scores, 1, true));
    const logarithms = tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), 1, true)));
    const chosen = tf.equal(tf.expandDims(labels, 1), tf.range(0, classes, 1, "int32"));
    // Chosen, not multiplied: a class that is ruled out has the logarithm -Infinity, and 0 times that is NaN.
    const own = tf.sum(tf.where(chosen, logarithms, tf.zerosLike(logarithms)));
    const total =
      smoothing === 0 ? own : tf.add(tf.mul(own, 1 - smoothing), tf.mul(tf.sum(logarithms), smoothing / classes));
    const target = tf.add(tf.mul(tf.cast(chosen, "float32"), 1 - smoothing), smoothing / classes);
    const gradient = tf.mul(tf.sub(tf.exp(logarithms), target), 1 / rows);
    (save as tf.GradSaveFunc)([gradient]);
    return {
      value: tf.mul(total, -1 / rows),
      gradFunc: (upstream: tf.Tensor, saved: tf.Tensor[]) => tf.mul(saved[0] ?? gradient, upstream),
    };
  });
  return loss(logits) as tf.Scalar;
}

/** As `tensorCrossEntropy`, as one kernel that yields value and gradient, with sums in float64. */
export function wasmCrossEntropy(
  { kernels, addressOf }: Pick<WasmTrainingBackend, "kernels" | "addressOf">,
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
  smoothing: number,
): tf.Scalar {
  const [rows, classes] = logits.shape;
  const loss = tf.customGrad((input, save) => {
    const scores = input as tf.Tensor;
    const gradient = tf.zeros<tf.Rank.R2>([rows, classes]);
    const value = kernels.softmaxCrossEntropy(
      addressOf(scores),
      addressOf(labels),
      addressOf(gradient),
      rows,
      classes,
      smoothing,
    );
    (save as tf.GradSaveFunc)([gradient]);
    return {
      value: tf.scalar(value),
      gradFunc: (upstream: tf.Tensor, saved: tf.Tensor[]) => tf.mul(saved[0] ?? gradient, upstream),
    };
  });
  return loss(logits) as tf.Scalar;
}
