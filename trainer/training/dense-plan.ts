import type * as tf from "@tensorflow/tfjs-core";
import type { layers, LayersModel } from "@tensorflow/tfjs-layers";
import { weightSpecs } from "../../shared/models/weights.ts";

/** A weight by its checkpoint name. */
export interface PlannedWeight {
  readonly name: string;
  readonly variable: tf.Variable;
}

export interface DenseLayer {
  /** [inputs, units] */
  readonly kernel: PlannedWeight;
  /** [units] */
  readonly bias: PlannedWeight | undefined;
  readonly inputs: number;
  readonly units: number;
  readonly relu: boolean;
}

/** A network that is nothing but dense layers in a row, linear or ReLU, the last one linear. */
export type DensePlan = readonly DenseLayer[];

/** @returns the dense layers of a model, or `undefined` where the model is anything else */
export function densePlan(model: LayersModel): DensePlan | undefined {
  const weights = weightSpecs(model);
  const plan: DenseLayer[] = [];
  for (const [index, layer] of model.layers.entries()) {
    // A chain: every layer is called once, on what the one before it returned.
    const previous = model.layers[index - 1];
    if (layer.inboundNodes.length !== 1) return undefined;
    if (previous !== undefined && layer.input !== previous.output) return undefined;
    if (layer.getClassName() === "InputLayer" || layer.getClassName() === "Flatten") continue;
    const dense = denseLayer(layer, weights);
    if (dense === undefined) return undefined;
    plan.push(dense);
  }
  const last = plan.at(-1);
  return last === undefined || last.relu || model.outputs.length !== 1 ? undefined : plan;
}

function denseLayer(layer: layers.Layer, weights: readonly PlannedWeight[]): DenseLayer | undefined {
  if (layer.getClassName() !== "Dense" || !layer.trainable) return undefined;
  // At every position of a sequence it is another computation.
  if (Array.isArray(layer.output) || layer.output.shape.length !== 2) return undefined;
  const { activation, kernelConstraint, biasConstraint, kernelRegularizer, biasRegularizer, activityRegularizer } =
    layer.getConfig();
  if (activation !== "relu" && activation !== "linear") return undefined;
  const extras = [kernelConstraint, biasConstraint, kernelRegularizer, biasRegularizer, activityRegularizer];
  if (extras.some((extra) => extra !== null && extra !== undefined)) return undefined;
  const [kernel, bias] = layer.weights.map(({ originalName }) => weights.find(({ name }) => name === originalName));
  const [inputs, units] = kernel?.variable.shape ?? [];
  if (kernel === undefined || inputs === undefined || units === undefined) return undefined;
  return { kernel, bias, inputs, units, relu: activation === "relu" };
}
