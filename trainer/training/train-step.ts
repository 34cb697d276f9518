import type * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { TrainingBackend } from "../backend/training-backend.ts";
import { densePlan } from "./dense-plan.ts";
import { createDenseStep } from "./dense-step.ts";
import { createGradientStep } from "./gradient-step.ts";
import type { MaskedOptimizer } from "./masked-optimizer.ts";
import { WasmOptimizer } from "./optimizers/wasm-optimizer.ts";

/**
 * One step of training: forward, mean softmax cross-entropy, backward, update. Makes no tensor that outlives it, or on a
 * GPU the promise of its loss.
 * @param inputs float32 [batch, ...sample]
 * @param labels int32 [batch], or [batch, length] where the model answers for every position; each in [0, classes)
 * @returns the loss before the update: at once where values lie in memory, as a promise where a GPU computes
 * @throws RangeError where a label is not a class; then nothing was updated
 */
export interface TrainStep {
  (inputs: tf.Tensor, labels: tf.Tensor, learningRate: number): number | Promise<number>;
  /** Frees what the step keeps on the heap between calls. */
  dispose(): void;
}

export interface TrainStepOptions {
  /** As {@link Regime.labelSmoothing}. */
  readonly labelSmoothing: number;
}

/**
 * Makes the fastest step that fits the model: a fixed sequence of kernel calls for plain dense networks on the CPU,
 * tfjs's automatic differentiation for everything else.
 * @param model its output is logits, [batch, classes] or [batch, length, classes]
 * @param optimizer of this backend, over all trainable weights of the model, under the names of `weightSpecs`
 * @throws RangeError where the smoothing is outside [0, 1)
 */
export function createTrainStep(
  model: LayersModel,
  optimizer: MaskedOptimizer,
  backend: TrainingBackend,
  options: TrainStepOptions,
): TrainStep {
  const { labelSmoothing } = options;
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new RangeError(`label smoothing ${labelSmoothing} is not in [0, 1)`);
  }
  // Only the optimizer on the heap takes gradients that are no tensors.
  const plan = backend.name === "wasm" && optimizer instanceof WasmOptimizer ? densePlan(model) : undefined;
  if (plan !== undefined && backend.name === "wasm" && optimizer instanceof WasmOptimizer) {
    return createDenseStep(plan, optimizer, backend, options);
  }
  return createGradientStep(model, optimizer, backend, options);
}
