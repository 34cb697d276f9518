import { type Evaluable, evaluableOfLayersModel } from "../evaluable.ts";
import { buildLayersTopology, disposeModel, MOST_WEIGHT_ELEMENTS } from "./build-layers.ts";
import type { Topology } from "./topology.ts";

/**
 * Makes a LayersModel evaluable on the current backend, with all weights zero; the caller disposes of it.
 * @param mostElements numbers in all weights together
 * @throws Problem `unsupported-topology`, `too-large-for-isolate`
 */
export function evaluableOfLayersTopology(topology: Topology, mostElements = MOST_WEIGHT_ELEMENTS): Evaluable {
  const model = buildLayersTopology(topology, mostElements);
  return { ...evaluableOfLayersModel(model), dispose: () => disposeModel(model) };
}
