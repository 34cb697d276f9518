import { digestOfValue, type TopologyId } from "../../identity.ts";
import { Problem } from "../../problem.ts";
import { parseGraphTopology } from "./graph-topology.ts";
import { isObject, type Json } from "./json.ts";
import { parseLayersTopology } from "./layers-topology.ts";

/** Largest model.json that is read; one of a thousand layers has some hundred kilobytes. */
export const MOST_TOPOLOGY_BYTES = 4 * 2 ** 20;

/** A weight that a topology reads. */
export interface TopologyWeight {
  readonly name: string;
  readonly shape: readonly number[];
  /** Whole numbers and truth values are constants of the graph, such as axes: equal in all models of one topology. */
  readonly kind: "float" | "integer" | "boolean";
}

/**
 * The structure of a TF.js model without its weights, reduced to what an evaluation depends on: initialisers,
 * regularisers, training settings, versions and nodes that the output does not need are gone.
 */
export interface Topology {
  readonly format: "layers-model" | "graph-model";
  /** As TF.js reads it: `{class_name, config}`, or `{node: […]}`. */
  readonly modelTopology: Json;
}

/** A topology with what building it tells; how it is stored and handed about. */
export interface DescribedTopology extends Topology {
  readonly id: TopologyId;
  /** Of one sample. */
  readonly inputShape: readonly number[];
  /** Of one sample; null for a graph that does not say. */
  readonly outputShape: readonly number[] | null;
  readonly weights: readonly TopologyWeight[];
  /** How often each kind of layer or operation occurs. */
  readonly parts: Readonly<Record<string, number>>;
}

/**
 * Parses the `model.json` of a TF.js model, LayersModel or GraphModel, and checks that it holds nothing that cannot be
 * evaluated. The weights manifest is not looked at.
 * @param modelJson the parsed JSON
 * @throws Problem `malformed-tfjs-model`, `unsupported-topology` naming the layer or operation
 */
export function parseTopology(modelJson: unknown): Topology {
  if (!isObject(modelJson) || !isObject(modelJson["modelTopology"])) {
    throw new Problem("malformed-tfjs-model", "A model.json is an object with the member modelTopology.");
  }
  const topology = modelJson["modelTopology"];
  return "node" in topology
    ? { format: "graph-model", modelTopology: parseGraphTopology(modelJson) }
    : { format: "layers-model", modelTopology: parseLayersTopology(topology) };
}

/**
 * {@link parseTopology} of a file's bytes.
 * @throws Problem `malformed-tfjs-model`, `unsupported-topology`
 */
export function readTopology(bytes: Uint8Array): Topology {
  if (bytes.length > MOST_TOPOLOGY_BYTES) {
    throw new Problem(
      "malformed-tfjs-model",
      `model.json has ${bytes.length} bytes; at most ${MOST_TOPOLOGY_BYTES} are evaluated.`,
      { limit: MOST_TOPOLOGY_BYTES },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new Problem("malformed-tfjs-model", "model.json is not JSON in UTF-8.");
  }
  return parseTopology(value);
}

/** The name of a topology: SHA-256 of the canonical JSON of what matters. */
export function topologyIdOf({ format, modelTopology }: Topology): TopologyId {
  return digestOfValue({ format, modelTopology }) as TopologyId;
}
