import type * as tf from "@tensorflow/tfjs-core";
import type { TrainingKernels, UpdatedArrays } from "../../../shared/kernels/training.ts";

/** What differs from step to step. */
export interface StepMoment {
  /** Counted from 1; bias corrections need it. */
  readonly step: number;
  readonly learningRate: number;
}

/**
 * The new values of one parameter.
 * @param gradient with decay of kind L2 added, and +0 where frozen; so slots that are 0 there stay 0
 */
export type TensorUpdate = (
  weight: tf.Tensor,
  gradient: tf.Tensor,
  slots: readonly tf.Tensor[],
) => { readonly weight: tf.Tensor; readonly slots: readonly tf.Tensor[] };

/**
 * How gradients become updates, in two forms that agree but for rounding: a fused kernel on the WASM heap, and plain
 * tfjs ops for every other backend. Masks, clipping and memory are the optimizers' concern, not the rule's.
 */
export interface OptimizerRule {
  /** What it remembers for each parameter, one array of the parameter's size each; all start at 0. */
  readonly slots: readonly string[];
  /** The factor of an L2 penalty's gradient, which joins the gradient before anything else. */
  readonly l2: number;
  /**
   * One step of one parameter, in place; frozen entries keep their bits and have slots of +0.
   * @param slots addresses, in the order of `slots`
   * @param scale multiplies the gradient
   */
  updateOnHeap(
    kernels: TrainingKernels,
    arrays: UpdatedArrays,
    slots: readonly number[],
    moment: StepMoment,
    scale: number,
  ): void;
  /** Makes the step's constants once, for all its parameters; called inside `tf.tidy`. */
  tensorUpdate(moment: StepMoment): TensorUpdate;
}
