import { checkWeights, type Weights } from "../../models/index.ts";
import { type Evaluable, evaluableOf } from "../evaluable.ts";
import { evaluableOfGraphTopology } from "./graph-evaluable.ts";
import { evaluableOfLayersTopology } from "./layers-evaluable.ts";
import { type Network, networkWeights } from "./network.ts";

/**
 * Makes a network evaluable on the current backend; the caller disposes of it. The endpoints are checked before anything
 * is built, since a network may be far larger than the files that claim to be of it.
 * @param endpoints the weights it will be evaluated with, at least one; a graph reads its constants from them
 * @throws Problem `incompatible-weights`, `unsupported-topology`, `too-large-for-isolate`
 */
export function evaluableOfNetwork(network: Network, endpoints: readonly Weights[]): Evaluable {
  const wanted = networkWeights(network);
  for (const endpoint of endpoints) {
    checkWeights(wanted, new Map(Array.from(endpoint, ([name, { shape }]) => [name, shape])));
  }
  if (network.kind === "architecture") return evaluableOf(network.architecture);
  switch (network.topology.format) {
    case "layers-model":
      return evaluableOfLayersTopology(network.topology);
    case "graph-model":
      return evaluableOfGraphTopology(network.topology, endpoints);
  }
}
