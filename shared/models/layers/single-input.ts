import type * as tf from "@tensorflow/tfjs-core";
import type { Shape } from "@tensorflow/tfjs-layers";

/** tf.layers hands a layer its input alone or in a list of one. */
export function singleTensor(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
  const tensor = Array.isArray(inputs) ? inputs[0] : inputs;
  if (tensor === undefined) throw new RangeError("the layer was called without an input");
  return tensor;
}

/** The shape of the only input. The batch is `null`. */
export function singleShape(shape: Shape | Shape[]): Shape {
  return Array.isArray(shape[0]) ? shape[0] : (shape as Shape);
}

/**
 * One dimension of a shape, which must be known.
 * @param axis from the end where negative
 */
export function knownDimension(shape: readonly (number | null)[], axis: number): number {
  const size = shape.at(axis);
  if (typeof size !== "number") throw new RangeError(`dimension ${axis} of [${shape}] is not known`);
  return size;
}
