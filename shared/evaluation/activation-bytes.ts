import type * as tfl from "@tensorflow/tfjs-layers";
import { innerLayers, nodesOf } from "./layers-nesting.ts";

const BYTES = 4;

/**
 * About the most bytes that intermediate results of one sample take at a time in a forward pass, the input included: the
 * tensors that are still to be read while a layer runs, its outputs, and what it puts aside meanwhile. It errs on the
 * high side; what the backend's kernels allocate for themselves is not in it.
 */
export function activationBytesOf(model: tfl.LayersModel): number {
  return peakElements(model) * BYTES;
}

function peakElements(model: tfl.LayersModel): number {
  const readers = new Map<number, number>();
  for (const { inputTensors } of model.layers.flatMap(nodesOf)) {
    for (const { id } of inputTensors) readers.set(id, (readers.get(id) ?? 0) + 1);
  }
  const inputs = elementsOfAll(model.inputs);
  let live = inputs;
  let peak = inputs;
  for (const layer of model.layers) {
    if (layer.getClassName() === "InputLayer") continue;
    for (const { inputTensors, outputTensors } of nodesOf(layer)) {
      const made = elementsOfAll(outputTensors);
      peak = Math.max(peak, live + made + aside(layer, inputTensors, made));
      live += made;
      for (const tensor of inputTensors) {
        const left = (readers.get(tensor.id) ?? 1) - 1;
        readers.set(tensor.id, left);
        // The caller holds the input until the end.
        if (left === 0 && !model.inputs.includes(tensor)) live -= elementsOf(tensor);
      }
    }
  }
  return peak;
}

/** Elements that a layer holds besides its inputs and outputs while it runs. */
function aside(layer: tfl.layers.Layer, inputs: readonly tfl.SymbolicTensor[], made: number): number {
  if (innerLayers(layer).length > 0) return peakElements(layer as tfl.LayersModel);
  const read = elementsOfAll(inputs);
  switch (layer.getClassName()) {
    case "EdgefuseSelfAttention": {
      // Query, key and value, once as projected and once by head; scores, their shift, exponentials and shares.
      const heads = Number(layer.getConfig()["heads"]);
      const length = inputs[0]?.shape[1] ?? 1;
      return 12 * read + 5 * heads * length * length;
    }
    case "EdgefuseGelu":
      return 8 * read;
    case "LayerNormalization":
      return 6 * read;
    case "EdgefusePatchEmbedding":
      return 2 * read + made;
    // Transposes, padded copies and unfused activations.
    default:
      return read + made;
  }
}

function elementsOfAll(tensors: readonly tfl.SymbolicTensor[]): number {
  return tensors.reduce((total, tensor) => total + elementsOf(tensor), 0);
}

/** Of one sample. */
function elementsOf({ shape }: tfl.SymbolicTensor): number {
  return shape.slice(1).reduce((product: number, dimension) => product * (dimension ?? 1), 1);
}
