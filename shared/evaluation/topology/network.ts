import { type EvaluationForm, weightLayout, type WeightLayout, weightNames } from "../../api/evaluation-form.ts";
import { digestOfValue, topologyId, type TopologyId } from "../../identity.ts";
import { type Architecture, readArchitecture, type WeightShape, weightShapes } from "../../models/index.ts";
import { MODEL_KEY } from "../../models/architecture.ts";
import { LAYOUT_KEY, NAMES_KEY, TOPOLOGY_KEY } from "../../models/form-keys.ts";
import { pytorchArchitecture } from "../../models/pytorch-architecture.ts";
import { Problem } from "../../problem.ts";
import type { DescribedTopology } from "./topology.ts";

/** What is evaluated: an architecture of ours, or the topology of a TF.js model. */
export type Network =
  | { readonly kind: "architecture"; readonly architecture: Architecture }
  | { readonly kind: "topology"; readonly topology: DescribedTopology };

/** How the weights in one file are to be read, with nothing left open. Endpoints of one question may differ in it. */
export interface WeightForm {
  readonly network: Network;
  readonly layout: WeightLayout;
  /** Our name of a weight to the name of its tensor, where it is not the usual one. */
  readonly names: ReadonlyMap<string, string>;
}

/**
 * How a file's weights are to be read: as the question says, else as its metadata say.
 * @param metadata `__metadata__` of the file
 * @param asked `as` of the question
 * @param findTopology finds a stored topology, or throws `topology-not-found`
 * @throws Problem `unknown-architecture` where neither says what it is, `invalid-metadata`, `incompatible-weights` for an
 *   architecture that has no PyTorch form
 */
export async function resolveForm(
  metadata: Readonly<Record<string, string>>,
  asked: EvaluationForm | undefined,
  findTopology: (id: TopologyId) => Promise<DescribedTopology>,
): Promise<WeightForm> {
  const layout = asked?.layout ?? declaredLayout(metadata);
  const names = new Map(Object.entries(asked?.names ?? declaredNames(metadata)));
  const topology = topologyNamed(metadata, asked);
  if (topology !== undefined) {
    if (layout === "pytorch") {
      throw new Problem(
        "incompatible-weights",
        "A TF.js topology takes weights in TensorFlow's layout, not PyTorch's.",
      );
    }
    return { network: { kind: "topology", topology: await findTopology(topology) }, layout, names };
  }
  const declared = asked?.architecture ?? readArchitecture(metadata);
  const architecture = layout === "pytorch" ? pytorchArchitecture(declared) : declared;
  return { network: { kind: "architecture", architecture }, layout, names };
}

/** The topology that the question names, or the metadata where nobody names an architecture. */
function topologyNamed(
  metadata: Readonly<Record<string, string>>,
  asked: EvaluationForm | undefined,
): TopologyId | undefined {
  if (asked?.topology !== undefined || asked?.architecture !== undefined) return asked.topology;
  const text = metadata[TOPOLOGY_KEY];
  if (text === undefined || metadata[MODEL_KEY] !== undefined) return undefined;
  const parsed = topologyId.safeParse(text);
  if (!parsed.success) throw invalid(TOPOLOGY_KEY, "It is the id of a topology: a SHA-256 in lower-case hex.");
  return parsed.data;
}

function declaredLayout(metadata: Readonly<Record<string, string>>): WeightLayout {
  const text = metadata[LAYOUT_KEY];
  if (text === undefined) return "tensorflow";
  const parsed = weightLayout.safeParse(text);
  if (!parsed.success) throw invalid(LAYOUT_KEY, `It is one of ${weightLayout.options.join(", ")}.`);
  return parsed.data;
}

function declaredNames(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const text = metadata[NAMES_KEY];
  if (text === undefined) return {};
  try {
    return weightNames.parse(JSON.parse(text));
  } catch {
    throw invalid(NAMES_KEY, "It is a JSON object of tensor names by weight names.");
  }
}

function invalid(key: string, what: string): Problem {
  return new Problem("invalid-metadata", `${key} in the file's __metadata__: ${what}`, { key });
}

/** A text that is equal for two networks when they are the same: models between them can be evaluated then. */
export function networkId(network: Network): string {
  return network.kind === "topology" ? network.topology.id : digestOfValue(network.architecture);
}

/** The weights of a network, in no order to rely on. */
export function networkWeights(network: Network): readonly WeightShape[] {
  return network.kind === "topology" ? network.topology.weights : weightShapes(network.architecture);
}

/** The network in a few words, for messages. */
export function networkName(network: Network): string {
  return network.kind === "topology"
    ? `topology ${network.topology.id.slice(0, 12)}`
    : network.architecture.architecture;
}
