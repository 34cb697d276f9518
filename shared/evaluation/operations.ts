import type { LayersModel } from "@tensorflow/tfjs-layers";

/** Layers that look rows of their weights up instead of multiplying. */
const LOOK_UP = /^(Embedding|Edgefuse(Token|Position)Embedding|EdgefuseClassToken)$/;

/**
 * Floating-point operations of one sample's forward pass, about: two for each weight of a product at every position of the
 * layer's output. Norms, activations, pooling and the scores of attention are not counted; it decides how work is cut and
 * where it is done, never a result.
 */
export function operationsPerSampleOf(model: LayersModel): number {
  let operations = 0;
  for (const layer of model.layers) {
    if (LOOK_UP.test(layer.getClassName())) continue;
    const positions = positionsOf(layer.outputShape);
    for (const weight of layer.weights) {
      if (weight.shape.length < 2) continue;
      const size = weight.shape.reduce((product: number, dimension) => product * (dimension ?? 1), 1);
      operations += 2 * size * positions;
    }
  }
  return operations;
}

/** Places of a layer's (first) output at which its weights are multiplied: of an image its pixels, of a sequence its tokens. */
function positionsOf(outputShape: readonly (number | null)[] | readonly (readonly (number | null)[])[]): number {
  const [first] = outputShape;
  const shape = Array.isArray(first) ? (first as readonly (number | null)[]) : outputShape;
  return shape.slice(1, -1).reduce((product: number, size) => product * (typeof size === "number" ? size : 1), 1);
}
