import type * as tfl from "@tensorflow/tfjs-layers";

/** What a layer's node in the graph tells; tfjs declares it, but does not export the type. */
export interface InboundNode {
  readonly inputTensors: readonly tfl.SymbolicTensor[];
  readonly outputTensors: readonly tfl.SymbolicTensor[];
}

/** Where a layer is applied in the graphs that it is part of. */
export function nodesOf(layer: tfl.layers.Layer): readonly InboundNode[] {
  return layer.inboundNodes as readonly InboundNode[];
}

/** Layers of a layer that is a model itself, in topological order; none of any other. */
export function innerLayers(layer: tfl.layers.Layer): readonly tfl.layers.Layer[] {
  return "layers" in layer ? (layer as tfl.LayersModel).layers : [];
}
