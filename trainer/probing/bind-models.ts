import type { EvaluationForm } from "../../shared/api/evaluation-form.ts";
import { requireFiniteWeights } from "../../shared/evaluation/mixture.ts";
import { bindWeights } from "../../shared/evaluation/topology/bind-weights.ts";
import { describeTopology } from "../../shared/evaluation/topology/describe.ts";
import { type Network, networkId, networkName, resolveForm } from "../../shared/evaluation/topology/network.ts";
import { type DescribedTopology, readTopology } from "../../shared/evaluation/topology/topology.ts";
import type { TopologyId } from "../../shared/identity.ts";
import { MODEL_KEY } from "../../shared/models/architecture.ts";
import { Problem } from "../../shared/problem.ts";
import type { Weights } from "../../shared/models/index.ts";
import { Failure } from "../failure.ts";
import { type LocalModel, naming } from "./local-models.ts";

/** A checkpoint whose weights can be evaluated. */
export interface BoundModel {
  readonly model: LocalModel;
  readonly network: Network;
  readonly weights: Weights;
}

/** Topologies that are at hand on this machine, by their ids. */
export type LocalTopologies = ReadonlyMap<TopologyId, DescribedTopology>;

/** Numbers in a network's weights; more do not fit the heap with two models and their mean. */
const MOST_ELEMENTS = 2 ** 28;

/**
 * Looks into the `model.json` of a TF.js model; on the current tfjs backend, on which it is built for a moment.
 * @throws Failure naming the file
 */
export function describeLocalTopology(path: string, modelJson: Uint8Array): DescribedTopology {
  try {
    return describeTopology(readTopology(modelJson), MOST_ELEMENTS);
  } catch (error) {
    throw naming(path, error);
  }
}

/**
 * Reads a checkpoint's weights: as is asked, else as the file says; of a TF.js model, as its own topology says.
 * @throws Problem where the weights do not fit, or are not finite; Failure where its topology is not at hand
 */
export async function bindModel(
  model: LocalModel,
  asked: EvaluationForm | undefined,
  topologies: LocalTopologies,
): Promise<BoundModel> {
  const known = new Map(topologies);
  let form = asked;
  const isOurs = model.header.metadata[MODEL_KEY] !== undefined;
  if (model.modelJson !== undefined && asked?.architecture === undefined && asked?.topology === undefined && !isOurs) {
    const own = describeLocalTopology(model.path, model.modelJson);
    known.set(own.id, own);
    form = { ...asked, topology: own.id };
  }
  const resolved = await resolveForm(model.header.metadata, form, async (id) => {
    const found = known.get(id);
    if (found !== undefined) return found;
    throw new Failure("bad-input", `${model.path} is of the topology ${id}: give its model.json with --topology.`);
  });
  const weights = bindWeights(resolved, model.header, model.bytes);
  requireFiniteWeights(weights);
  return { model, network: resolved.network, weights };
}

/**
 * Reads the weights of models of one network.
 * @throws Failure naming the file that cannot be read so, or that is of another network than the first
 */
export async function bindModels(
  models: readonly LocalModel[],
  asked: EvaluationForm | undefined,
  topologies: LocalTopologies,
): Promise<{ readonly network: Network; readonly endpoints: readonly Weights[] }> {
  const bound: BoundModel[] = [];
  for (const model of models) {
    try {
      bound.push(await bindModel(model, asked, topologies));
    } catch (error) {
      throw naming(model.path, explained(error));
    }
  }
  const [first] = bound;
  if (first === undefined) throw new RangeError("there is no model to bind");
  const other = bound.find(({ network }) => networkId(network) !== networkId(first.network));
  if (other !== undefined) {
    const [one, two] = [first, other].map(({ network, model }) => `${model.path} is of ${networkName(network)}`);
    throw new Failure("bad-input", `${one}, ${two}: nothing lies between different networks.`);
  }
  return { network: first.network, endpoints: bound.map(({ weights }) => weights) };
}

/** Adds what a command line can do about it. */
function explained(error: unknown): unknown {
  if (!(error instanceof Problem) || error.code !== "unknown-architecture") return error;
  return new Problem(error.code, `${error.message} Say it with --as or --topology.`, error.members);
}
