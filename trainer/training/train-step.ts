import type * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { densePlan } from "./dense-plan.ts";
import { createDenseStep } from "./dense-step.ts";
import { createGradientStep } from "./gradient-step.ts";
import type { MaskedSgd } from "./masked-sgd.ts";

/**
 * One step of training: forward, mean softmax cross-entropy, backward, update. Makes no tensor that outlives it.
 * @param inputs float32 [batch, ...sample]
 * @param labels int32 [batch], each in [0, classes)
 * @returns the loss before the update
 * @throws RangeError where a label is not a class; then nothing was updated
 */
export interface TrainStep {
  (inputs: tf.Tensor, labels: tf.Tensor1D, learningRate: number): number;
  /** Frees what the step keeps on the heap between calls. */
  dispose(): void;
}

/**
 * Makes the fastest step that fits the model: a fixed sequence of kernel calls for plain dense networks, tfjs's
 * automatic differentiation for everything else.
 * @param model its output is logits
 * @param optimizer over all trainable weights of the model, under the names of `weightSpecs`
 */
export function createTrainStep(model: LayersModel, optimizer: MaskedSgd): TrainStep {
  const plan = densePlan(model);
  return plan === undefined ? createGradientStep(model, optimizer) : createDenseStep(plan, optimizer);
}
