import * as tf from "@tensorflow/tfjs-core";

/**
 * Kernels that tfjs has no name for: a backend may have them, and what calls them must do without where it has not.
 *
 * - `EdgefuseGelu`: { x } to x Φ(x); `EdgefuseGeluGradient`: { dy, x } to dx.
 * - `EdgefuseReluGradient`: { dy, y } to dx, with y what ReLU returned.
 * - `EdgefuseSoftmaxGradient`: { dy, y } to dx, over the last axis.
 * - `EdgefuseStandardize`: { x, gamma, beta } and { over, epsilon } to [y, normal, inverse] for `over: "channels"` (each
 *   position by itself) and [y, normal, inverse, mean, variance] for `over: "positions"` (each channel by itself);
 *   `inverse` is 1 / sqrt(variance + epsilon), [positions] or [channels].
 * - `EdgefuseStandardizeGradient`: { dy, normal, inverse, gamma } and { over } to [dx, dgamma, dbeta].
 */
export type OwnKernel =
  | "EdgefuseGelu"
  | "EdgefuseGeluGradient"
  | "EdgefuseReluGradient"
  | "EdgefuseSoftmaxGradient"
  | "EdgefuseStandardize"
  | "EdgefuseStandardizeGradient";

/**
 * Runs one of our kernels on the current backend. It is not recorded for differentiation: call it within `tf.customGrad`.
 * @returns its outputs; undefined where the backend lacks the kernel
 */
export function runOwnKernel(
  name: OwnKernel,
  inputs: Readonly<Record<string, tf.Tensor>>,
  attributes: Readonly<Record<string, string | number>> = {},
): tf.Tensor[] | undefined {
  if (!tf.getKernel(name, tf.getBackend())) return undefined;
  const outputs: tf.Tensor | tf.Tensor[] = tf.engine().runKernel(name, { ...inputs }, { ...attributes });
  return Array.isArray(outputs) ? outputs : [outputs];
}
