import * as tf from "@tensorflow/tfjs-core";
import { runOwnKernel } from "../../kernels/own-kernels.ts";

/**
 * Subtracts the mean, divides by the deviation, scales and shifts, with a gradient of its own: seven passes over the data
 * backward, where the tape through tfjs's `batchNorm` needs about thirty.
 *
 * With x̂ = (x - m) / s, s = sqrt(v + epsilon) and y = gamma x̂ + beta: for g = gamma dL/dy,
 * dL/dx = (g - mean(g) - x̂ mean(g x̂)) / s, the means over what x was normalised over.
 * @param input [..., channels], rank 2 or more
 * @param gamma [channels]
 * @param beta [channels]
 * @param over `channels`: each position by itself; `positions`: each channel over all positions
 * @param observe for `positions`, gets the mean and the variance (over n), [channels], which live no longer than the call
 * @returns the output, of the input's shape
 */
export function standardize(
  input: tf.Tensor,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  over: "channels" | "positions",
  epsilon: number,
  observe?: (mean: tf.Tensor, variance: tf.Tensor) => void,
): tf.Tensor {
  const leading = input.shape.slice(0, -1).map((_, axis) => axis);
  const axes = over === "channels" ? [input.rank - 1] : leading;
  // Dropped leading axes broadcast again by themselves; a dropped last axis does not.
  const meanOver = (tensor: tf.Tensor) => tf.mean(tensor, axes, over === "channels");
  const operation = tf.customGrad((...values) => {
    const [x, scale, shift, save] = values as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const own = runOwnKernel("EdgefuseStandardize", { x, gamma: scale, beta: shift }, { over, epsilon });
    if (own !== undefined) {
      const [value, normal, inverse, mean, variance] = own as [tf.Tensor, tf.Tensor, tf.Tensor, ...tf.Tensor[]];
      if (mean !== undefined && variance !== undefined) observe?.(mean, variance);
      save([normal, inverse, scale]);
      return { value, gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => ownGradient(dy, saved, over) };
    }
    const mean = meanOver(x);
    const centered = tf.sub(x, mean);
    const variance = meanOver(tf.square(centered));
    if (over === "positions") observe?.(mean, variance);
    const inverse = tf.rsqrt(tf.add(variance, epsilon));
    const normal = tf.mul(centered, inverse);
    save([normal, inverse, scale]);
    const gradFunc = (upstream: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
      const [savedNormal, savedInverse, savedScale] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
      const scaleGradient = tf.sum(tf.mul(upstream, savedNormal), leading);
      const shiftGradient = tf.sum(upstream, leading);
      const rows = leading.reduce((product, axis) => product * (x.shape[axis] ?? 1), 1);
      if (over === "positions") {
        // mean(g) = gamma mean(dL/dy) and mean(g x̂) = gamma mean(dL/dy x̂): the sums above, over the rows.
        const pull = tf.add(tf.mul(savedNormal, tf.div(scaleGradient, rows)), tf.div(shiftGradient, rows));
        const inputGradient = tf.mul(tf.sub(upstream, pull), tf.mul(savedScale, savedInverse));
        return [inputGradient, scaleGradient, shiftGradient];
      }
      const g = tf.mul(upstream, savedScale);
      const pull = tf.add(tf.mul(savedNormal, meanOver(tf.mul(g, savedNormal))), meanOver(g));
      return [tf.mul(tf.sub(g, pull), savedInverse), scaleGradient, shiftGradient];
    };
    return { value: tf.add(tf.mul(normal, scale), shift), gradFunc };
  });
  return operation(input, gamma, beta);
}

/** The gradient where the backend has our kernels; it has both or none. */
function ownGradient(dy: tf.Tensor, saved: tf.Tensor[], over: "channels" | "positions"): tf.Tensor[] {
  const [normal, inverse, gamma] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
  const own = runOwnKernel("EdgefuseStandardizeGradient", { dy, normal, inverse, gamma }, { over });
  if (own === undefined) throw new Error("the backend normalises, but has no gradient for it");
  return own;
}
