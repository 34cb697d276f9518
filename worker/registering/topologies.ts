import type { TopologyDescription, TopologySummary } from "../../shared/api/topologies.ts";
import { describeTopology } from "../../shared/evaluation/topology/describe.ts";
import { type DescribedTopology, readTopology, type Topology } from "../../shared/evaluation/topology/topology.ts";
import { Problem } from "../../shared/problem.ts";
import { elementCount } from "../../shared/safetensors/index.ts";
import { parseModelJson } from "../../shared/tfjs-form/index.ts";
import { forgetTopology, insertTopology, requireTopologySummary } from "../catalog/topologies.ts";
import { beingDeleted } from "../catalog/checkpoints.ts";
import { discardUnknown } from "../deleting/delete.ts";
import { engineOf } from "../engine/engine.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { topologyKey } from "../objects/keys.ts";
import { putOnce } from "../objects/put-once.ts";
import { isBeingDeleted, type Registered } from "./checkpoints.ts";

/** Of the memory budget, for building a model to look at it: its weights in the heap, and once more while they are made. */
const BUILDING_SHARE = 1 / 2;
const BYTES_AN_ELEMENT = 8;

/** Numbers in all weights of a model that this deployment looks at. What has more, no probe could evaluate either. */
export function mostElements(environment: Environment): number {
  return Math.floor((BUILDING_SHARE * limitsOf(environment).memoryBudgetBytes) / BYTES_AN_ELEMENT);
}

/**
 * Builds a topology for a moment, in the engine's turn and within the budget.
 * @param elements the most numbers that its weights may have in all
 * @throws Problem `unsupported-topology`, `too-large-for-isolate`, `over-budget`
 */
export async function describeInTurn(
  environment: Environment,
  topology: Topology,
  elements: number,
): Promise<DescribedTopology> {
  // A graph is described by what it says; nothing is built.
  if (topology.format === "graph-model") return describeTopology(topology);
  const { turns, budget } = await engineOf(limitsOf(environment).memoryBudgetBytes);
  return turns.run(async () => {
    const lease = budget.take(elements * BYTES_AN_ELEMENT);
    try {
      return describeTopology(topology, elements);
    } finally {
      lease.release();
    }
  });
}

/**
 * The topology of a TF.js model that comes with its weights. One that cannot be evaluated is none: the weights can be fused
 * all the same.
 * @throws Problem `over-budget`
 */
export async function topologyOfUpload(
  environment: Environment,
  modelJson: Uint8Array,
): Promise<DescribedTopology | undefined> {
  try {
    const elements = manifestElements(modelJson);
    if (elements > mostElements(environment)) return undefined;
    return await describeInTurn(environment, readTopology(modelJson), elements);
  } catch (error) {
    if (error instanceof Problem && error.code !== "over-budget") return undefined;
    throw error;
  }
}

/** Numbers in all weights that come along. @throws Problem `malformed-tfjs-model` */
function manifestElements(modelJson: Uint8Array): number {
  const { groups } = parseModelJson(modelJson);
  return groups.flatMap(({ weights }) => weights).reduce((sum, { elements }) => sum + elements, 0);
}

/**
 * Stores a topology and enters it into the catalog. Where that fails, an object that this request stored goes again.
 * @throws Problem `being-deleted`
 */
export async function enterTopology(
  environment: Environment,
  topology: DescribedTopology,
  at: Date,
): Promise<Registered<TopologyDescription>> {
  const { BUCKET, CATALOG } = environment;
  const { id } = topology;
  const key = topologyKey(id);
  const summary = summarize(topology, at);
  const isStored = await putOnce(BUCKET, key, JSON.stringify(topology), "application/json");
  try {
    const isNew = await insertTopology(CATALOG, summary);
    // Someone may have deleted the object between the time it was seen and the time it was entered.
    if ((await BUCKET.head(key)) === null) {
      await forgetTopology(CATALOG, id);
      throw beingDeleted(id);
    }
    return { body: describeSummary(isNew ? summary : await requireTopologySummary(CATALOG, id), topology), isNew };
  } catch (error) {
    if (isStored && !isBeingDeleted(error)) await discardUnknown(environment, { table: "topologies", id, key, at });
    throw error;
  }
}

function summarize(
  { id, format, inputShape, outputShape, weights, parts }: DescribedTopology,
  at: Date,
): TopologySummary {
  return {
    id,
    format,
    inputShape: [...inputShape],
    outputShape: outputShape === null ? null : [...outputShape],
    parameters: weights.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    parts: { ...parts },
    createdAt: at.toISOString(),
    links: { self: `/v1/topologies/${id}` },
  };
}

/** With the weights, which are not in the catalog. */
export function describeSummary(summary: TopologySummary, { weights }: DescribedTopology): TopologyDescription {
  return { ...summary, weights: weights.map(({ name, shape, kind }) => ({ name, shape: [...shape], kind })) };
}
