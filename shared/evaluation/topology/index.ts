export { bindWeights } from "./bind-weights.ts";
export { describeTopology } from "./describe.ts";
export { evaluableOfNetwork } from "./evaluable-network.ts";
export { evaluableOfGraphTopology } from "./graph-evaluable.ts";
export { evaluableOfLayersTopology } from "./layers-evaluable.ts";
export { type Network, networkId, networkName, networkWeights, resolveForm, type WeightForm } from "./network.ts";
export {
  type DescribedTopology,
  MOST_TOPOLOGY_BYTES,
  parseTopology,
  readTopology,
  type Topology,
  topologyIdOf,
  type TopologyWeight,
} from "./topology.ts";
