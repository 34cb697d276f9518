import * as tf from "@tensorflow/tfjs-core";
import type * as tfl from "@tensorflow/tfjs-layers";
import { Problem } from "../problem.ts";
import type { BatchNormalizationLayer } from "./evaluable.ts";
import { innerLayers } from "./layers-nesting.ts";

type Layer = tfl.layers.Layer;
type OnInput = (layer: BatchNormalizationLayer, input: tf.Tensor) => void;

/** The batch normalisations of a model, and a forward pass that meets them. */
export interface LayersNormalizations {
  /** In topological order. */
  readonly normalizations: readonly BatchNormalizationLayer[];
  /** As `Evaluable.passThrough` describes it. */
  passThrough(x: tf.Tensor, onInput: OnInput): void;
}

/** Ends a forward pass once the wanted input is there. */
class Reached extends Error {}

/**
 * Finds the batch normalisations of a tf.layers model, also within nested models.
 * @param nameOf what checkpoints call a weight, by its name in the model
 */
export function normalizationsOf(model: tfl.LayersModel, nameOf: (name: string) => string): LayersNormalizations {
  const found = normalizationLayers(model);
  const normalizations = found.map((layer): BatchNormalizationLayer => {
    const [mean, variance] = ["moving_mean", "moving_variance"].map((role) =>
      layer.weights.find(({ originalName }) => originalName.endsWith(`/${role}`)),
    );
    if (mean === undefined || variance === undefined) throw new Error(`${layer.name} has no running statistics`);
    const axis = layer.getConfig()["axis"];
    return {
      name: layer.name,
      channelAxis: typeof axis === "number" ? axis : -1,
      meanName: nameOf(mean.originalName),
      varianceName: nameOf(variance.originalName),
      movingMean: mean.read() as tf.Variable,
      movingVariance: variance.read() as tf.Variable,
      inputOf: (x) => inputOf(model, layer, x),
    };
  });
  return {
    normalizations,
    passThrough: (x, onInput) => {
      watchCalls(
        found,
        (place, input) => {
          const normalization = normalizations[place];
          if (normalization !== undefined) onInput(normalization, input);
        },
        () => tf.dispose(model.apply(x) as tf.Tensor),
      );
    },
  };
}

/** tf.layers keeps the layers of a model by depth, from its inputs on, and runs a nested model as one layer. */
function normalizationLayers(model: Layer): Layer[] {
  return innerLayers(model).flatMap((layer) =>
    layer.getClassName() === "BatchNormalization" ? [layer] : normalizationLayers(layer),
  );
}

/** Runs a model up to a layer, and returns that layer's input. */
function inputOf(model: tfl.LayersModel, layer: Layer, x: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    let reached: tf.Tensor | undefined;
    try {
      watchCalls(
        [layer],
        (_, input) => {
          // The scopes of the pass end with it, and would take the input along.
          reached = tf.keep(input.clone());
          throw new Reached();
        },
        () => tf.dispose(model.apply(x) as tf.Tensor),
      );
    } catch (error) {
      if (!(error instanceof Reached)) throw error;
    }
    if (reached === undefined) throw new Error(`the model does not reach ${layer.name}`);
    const input = reached.clone();
    reached.dispose();
    return input;
  });
}

/**
 * Hears of every call of some layers during `work`.
 * @param onCall gets the place of the layer and its input, before the layer runs
 * @throws Problem `unsupported-topology` where a layer is called twice: it has one mean, and would need two
 */
function watchCalls(
  layers: readonly Layer[],
  onCall: (place: number, input: tf.Tensor) => void,
  work: () => void,
): void {
  const called = new Set<Layer>();
  for (const [place, layer] of layers.entries()) {
    // An own property hides the method of the class until it is deleted again.
    const call = layer.call.bind(layer);
    layer.call = (inputs, options) => {
      const input = Array.isArray(inputs) ? inputs[0] : inputs;
      if (called.has(layer)) {
        throw new Problem(
          "unsupported-topology",
          `The batch normalisation ${JSON.stringify(layer.name)} is used twice; its statistics cannot be recomputed.`,
          { layer: layer.name },
        );
      }
      called.add(layer);
      if (input !== undefined) onCall(place, input);
      return call(inputs, options);
    };
  }
  try {
    work();
  } finally {
    for (const layer of layers) Reflect.deleteProperty(layer, "call");
  }
}
