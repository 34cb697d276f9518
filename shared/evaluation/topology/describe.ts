import type * as tf from "@tensorflow/tfjs-core";
import { countOperations, type Graph } from "./graph-topology.ts";
import { inputShapeOf } from "./graph-shapes.ts";
import { buildLayersTopology, disposeModel, MOST_WEIGHT_ELEMENTS } from "./build-layers.ts";
import { countLayers } from "./layers-topology.ts";
import { tryOut } from "./try-out.ts";
import { type DescribedTopology, type Topology, topologyIdOf } from "./topology.ts";

/**
 * Learns what a topology takes and gives, and which weights it reads. A LayersModel is built for a moment, on the current
 * backend, with all weights zero, and tried out; a graph says it by itself, and is tried out with its weights.
 * @param mostElements numbers in all weights together
 * @throws Problem `unsupported-topology`, `too-large-for-isolate`
 */
export function describeTopology(topology: Topology, mostElements = MOST_WEIGHT_ELEMENTS): DescribedTopology {
  const id = topologyIdOf(topology);
  switch (topology.format) {
    case "layers-model": {
      const model = buildLayersTopology(topology, mostElements);
      try {
        const inputShape = known(model.inputs[0]?.shape);
        const { outputShape } = tryOut((x) => model.apply(x) as tf.Tensor, inputShape);
        return {
          ...topology,
          id,
          inputShape,
          outputShape,
          weights: model.weights.map(({ originalName, shape }) => ({
            name: originalName,
            shape: shape.map((dimension) => dimension ?? 0),
            kind: "float",
          })),
          parts: countLayers(topology.modelTopology),
        };
      } finally {
        disposeModel(model);
      }
    }
    case "graph-model": {
      const graph = topology.modelTopology as unknown as Graph;
      const output = graph.outputShape?.slice(1);
      return {
        ...topology,
        id,
        inputShape: inputShapeOf(graph),
        outputShape: output === undefined || output.some((dimension) => dimension < 0) ? null : output,
        weights: graph.weights,
        parts: countOperations(graph),
      };
    }
  }
}

/** Without the batch; `buildLayersTopology` has seen to it that the others are known. */
function known(shape: readonly (number | null)[] | undefined): readonly number[] {
  return (shape ?? []).slice(1).map((dimension) => dimension ?? 0);
}
