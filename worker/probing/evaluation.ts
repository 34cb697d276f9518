import { type CheckpointId, digestOfValue, type ModelId } from "../../shared/identity.ts";
import { MOST_CLASSES_TOLD } from "../../shared/evaluation/sums.ts";
import { bindWeights } from "../../shared/evaluation/topology/bind-weights.ts";
import {
  type Network,
  networkId,
  networkName,
  networkWeights,
  resolveForm,
  type WeightForm,
} from "../../shared/evaluation/topology/network.ts";
import type { Weights } from "../../shared/models/index.ts";
import { Problem } from "../../shared/problem.ts";
import { type Engine, engineOf } from "../engine/engine.ts";
import type { Held } from "../engine/leased-cache.ts";
import { requireTopology } from "../catalog/topologies.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { openEndpoint } from "./endpoints.ts";
import type { Evaluation } from "./evaluate-models.ts";
import { decodingBytes, type MemoryPlan, planMemory, tallyBytes } from "./memory.ts";
import { costOf, type ModelCost } from "./model-cost.ts";
import { mostShardBytes, operationsOf, type Workload } from "./units.ts";

/** An endpoint whose weights can be had. */
export interface PreparedEndpoint {
  readonly id: CheckpointId | ModelId;
  /** What its decoded weights are kept by: which file, read how. */
  readonly key: string;
  readonly fileBytes: number;
  /** @throws Problem `incompatible-weights`, `unsupported-dtype`, `object-not-found`, `input-changed` */
  load(): Promise<Weights>;
}

/** An evaluation that was looked into: it fits the isolate, and it is known what there is to do. */
export interface PreparedEvaluation extends Evaluation {
  readonly prepared: readonly PreparedEndpoint[];
  readonly network: Network;
  readonly cost: ModelCost;
  readonly weightBytes: number;
  readonly memory: MemoryPlan;
  readonly workload: Workload;
  /** Of the whole. */
  readonly operations: number;
  /** Of a unit at most, as this deployment has it. */
  readonly unitOperations: number;
  /** Names what is evaluated, whatever the grid and the shards. */
  readonly key: string;
}

/**
 * Reads the headers of all endpoints, and plans memory and work. Nothing large is read.
 * @throws Problem `too-large-for-isolate`, `over-budget`, `incompatible-inputs` where endpoints differ in architecture,
 *   `incompatible-weights`, `unknown-architecture`, `topology-not-found`, `unsupported-dtype`
 */
export async function prepareEvaluation(environment: Environment, evaluation: Evaluation): Promise<PreparedEvaluation> {
  const { memoryBudgetBytes, inlineProbeOperations } = limitsOf(environment);
  const engine = await engineOf(memoryBudgetBytes);
  const { network, endpoints } = await openAll(environment, evaluation);
  const weightBytes = 4 * networkWeights(network).reduce((sum, { shape }) => sum + elementsIn(shape), 0);
  const sizes = {
    endpoints: endpoints.length,
    weights: weightBytes,
    file: Math.max(...endpoints.map(({ fileBytes }) => fileBytes)),
    calibration: evaluation.calibration?.bytes ?? 0,
  };
  // Before the model is built to be looked at: it may be too large for that already.
  planMemory({ ...sizes, shards: 0, tallies: 0, activations: 0 }, engine.budget.limitBytes);
  const decoding = decodingBytes(sizes.file);
  const hold = () => holdEndpoints(engine, { prepared: endpoints, weightBytes, memory: { decoding } });
  const cost = await costOf(engine, network, weightBytes, hold);
  const workload: Workload = {
    points: evaluation.grid.points.length,
    shards: evaluation.shards,
    operationsPerSample: cost.operations,
    calibrationSamples: calibrationWork(evaluation, cost),
    mostPoints: Math.floor(MOST_PART_BYTES / (POINT_BYTES + CLASS_BYTES * Math.min(cost.outputs, MOST_CLASSES_TOLD))),
  };
  const shardBytes = mostShardBytes(evaluation.shards);
  const memory = planMemory(
    {
      ...sizes,
      shards: shardBytes,
      tallies: tallyBytes(shardBytes * labelsPerByte(evaluation.shards, cost.outputs), endpoints.length),
      activations: cost.activationBytes,
    },
    engine.budget.limitBytes,
    evaluation.batch,
  );
  const { statistics, calibration } = evaluation;
  return {
    ...evaluation,
    prepared: endpoints,
    network,
    cost,
    weightBytes,
    memory,
    workload,
    operations: operationsOf(workload),
    unitOperations: inlineProbeOperations,
    key: digestOfValue({
      endpoints: endpoints.map(({ key }) => key),
      statistics,
      calibration: calibration?.id ?? null,
    }),
  };
}

/** D1 takes values of 2 MB; sums of a point and a class as JSON have about so many bytes. */
const MOST_PART_BYTES = 2 ** 20;
const POINT_BYTES = 512;
const CLASS_BYTES = 8;

/** Labels in a byte of a shard at most: a sample has no more than the model has outputs, and each takes four bytes. */
function labelsPerByte(shards: Evaluation["shards"], outputs: number): number {
  return Math.max(...shards.map(({ samples, bytes }) => Math.min((samples * outputs) / bytes, 1 / 4)));
}

/** Samples that recomputing statistics at a point comes to: for each layer one pass up to it, half a pass on average. */
function calibrationWork({ calibration }: Evaluation, { normalizations }: ModelCost): number {
  return calibration === undefined ? 0 : Math.ceil(calibration.samples * Math.max(1, (normalizations + 1) / 2));
}

async function openAll(
  environment: Environment,
  { endpoints, form: asked }: Evaluation,
): Promise<{ readonly network: Network; readonly endpoints: readonly PreparedEndpoint[] }> {
  let common: Network | undefined;
  const prepared: PreparedEndpoint[] = [];
  for (const endpoint of endpoints) {
    const { id, header, readData } = await openEndpoint(environment, endpoint);
    const form = await resolveForm(header.metadata, asked, (topology) => requireTopology(environment, topology));
    common ??= form.network;
    if (networkId(form.network) !== networkId(common)) {
      throw new Problem(
        "incompatible-inputs",
        `The models differ in architecture: ${networkName(common)} and ${networkName(form.network)}.`,
        { models: [endpoints[0]?.id, id] },
      );
    }
    prepared.push({
      id,
      key: `${id} ${formKey(form)}`,
      fileBytes: header.fileLength,
      load: async () => {
        const data = await readData();
        return bindWeights(form, header, ({ begin, end }) => data.subarray(begin, end));
      },
    });
  }
  if (common === undefined) throw new RangeError("an evaluation has at least one endpoint");
  return { network: common, endpoints: prepared };
}

/** Equal for two forms that read a file alike. */
function formKey({ network, layout, names }: WeightForm): string {
  return digestOfValue({ network: networkId(network), layout, names: Object.fromEntries(names) });
}

/**
 * The decoded weights of every endpoint, from the isolate's memory where it has them. To be released.
 * @throws Problem `over-budget`; what loading one throws
 */
export async function holdEndpoints(
  { decoded, budget }: Engine,
  {
    prepared,
    weightBytes,
    memory,
  }: Pick<PreparedEvaluation, "prepared" | "weightBytes"> & { readonly memory: Pick<MemoryPlan, "decoding"> },
): Promise<{ readonly weights: readonly Weights[]; release(): void }> {
  const held: Held<Weights>[] = [];
  const release = () => held.forEach((one) => one.release());
  try {
    for (const { key, load } of prepared) {
      held.push(
        await decoded.use(key, weightBytes, async () => {
          const lease = budget.take(memory.decoding);
          try {
            return await load();
          } finally {
            lease.release();
          }
        }),
      );
    }
    return { weights: held.map(({ value }) => value), release };
  } catch (error) {
    release();
    throw error;
  }
}

const elementsIn = (shape: readonly number[]) => shape.reduce((product, dimension) => product * dimension, 1);
