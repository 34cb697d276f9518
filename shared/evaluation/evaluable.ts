import type * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { type Architecture, buildModel } from "../models/index.ts";
import { activationBytesOf } from "./activation-bytes.ts";
import { normalizationsOf } from "./layers-normalizations.ts";
import { operationsPerSampleOf } from "./operations.ts";

/** A weight that a model reads in its forward pass. */
export interface EvaluableWeight {
  /** As checkpoints name it, such as `hidden_0/kernel`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly variable: tf.Variable;
}

/** A batch normalisation, with what it takes to recompute its running statistics. */
export interface BatchNormalizationLayer {
  readonly name: string;
  /** Axis of the channels in the layer's input, such as -1. */
  readonly channelAxis: number;
  /** Names of the statistics among the model's weights. */
  readonly meanName: string;
  readonly varianceName: string;
  /** [channels]. */
  readonly movingMean: tf.Variable;
  /** [channels]; divided by n, not n - 1. */
  readonly movingVariance: tf.Variable;
  /**
   * The input of this layer for a batch, computed with the model's present weights and statistics. A new tensor, which
   * the caller disposes of.
   * @param x [batch, …inputShape]
   */
  inputOf(x: tf.Tensor): tf.Tensor;
}

/** What evaluating a model on samples needs of it. */
export interface Predictor {
  /** Of one sample, without the batch. */
  readonly inputShape: readonly number[];
  /** Of one sample's output: [classes], [length, classes], or the values of a regression. */
  readonly outputShape: readonly number[];
  /**
   * One forward pass, not in training.
   * @param x [batch, …inputShape]
   * @returns [batch, …outputShape], a new tensor, which the caller disposes of
   */
  predict(x: tf.Tensor): tf.Tensor;
}

/** A model that can be put at any point in weight space and evaluated there. */
export interface Evaluable extends Predictor {
  readonly specs: readonly EvaluableWeight[];
  /** In topological order: no layer's input depends on the statistics of a later one. */
  readonly normalizations: readonly BatchNormalizationLayer[];
  /**
   * One forward pass in which each of the normalizations, from the first to the last, is met with its input just before it
   * runs, so that what is written to its statistics counts for this very pass. Where a model has it, samples that fit into
   * one batch are passed once instead of once a layer.
   * @param onInput must not dispose of the input
   */
  readonly passThrough?: (x: tf.Tensor, onInput: (layer: BatchNormalizationLayer, input: tf.Tensor) => void) => void;
  /** About the most bytes that intermediate results of one sample take at a time during `predict`, input included. */
  readonly activationBytesPerSample: number;
  /** Floating-point operations of one sample's forward pass, about, where the model tells. */
  readonly operationsPerSample?: number;
  dispose(): void;
}

/**
 * Builds a model of an architecture, all weights zero, on the current tfjs backend. The caller disposes of it.
 *
 * Check a checkpoint against `weightShapes(architecture)` first (`mixtureOf` does): an architecture is what a stranger's
 * file says, and may be far larger than that file.
 */
export function evaluableOf(architecture: Architecture): Evaluable {
  return evaluableOfLayersModel(buildModel(architecture));
}

/**
 * Makes any tf.layers model with one input and one output evaluable; it is disposed of with the result.
 * @param nameOf what checkpoints call a weight, by its name in the model; the same by default
 */
export function evaluableOfLayersModel(
  model: LayersModel,
  nameOf: (name: string) => string = (name) => name,
): Evaluable {
  const specs = model.weights.map((weight) => ({
    // tfjs appends _1, _2 … to names when a process builds a model twice; `originalName` does not.
    name: nameOf(weight.originalName),
    shape: weight.shape.map((dimension) => dimension ?? 0),
    variable: weight.read() as tf.Variable,
  }));
  return {
    ...predictorOf(model),
    specs,
    ...normalizationsOf(model, nameOf),
    activationBytesPerSample: activationBytesOf(model),
    operationsPerSample: operationsPerSampleOf(model),
    dispose: () => void model.dispose(),
  };
}

/** A tf.layers model as what evaluation needs of it. Nothing to dispose of: the model stays its owner's. */
export function predictorOf(model: LayersModel): Predictor {
  return {
    inputShape: sampleShape(model.inputs[0]?.shape),
    outputShape: sampleShape(model.outputs[0]?.shape),
    // `model.predict` would copy the batch and its outputs; this is the forward pass alone.
    predict: (x) => model.apply(x) as tf.Tensor,
  };
}

/** An unknown dimension is 0, which fits no sample. */
function sampleShape(shape: readonly (number | null)[] | undefined): readonly number[] {
  return (shape ?? []).slice(1).map((dimension) => dimension ?? 0);
}
