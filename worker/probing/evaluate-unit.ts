import {
  assignStatistics,
  type BatchStatistics,
  recomputeStatistics,
} from "../../shared/evaluation/batch-statistics.ts";
import { tallyShard } from "../../shared/evaluation/evaluate.ts";
import { Mixture } from "../../shared/evaluation/mixture.ts";
import { decodeValidationShard, type ValidationShard } from "../../shared/evaluation/shard.ts";
import { evaluableOfNetwork } from "../../shared/evaluation/topology/evaluable-network.ts";
import type { EvaluationSums } from "../../shared/evaluation/sums.ts";
import { ClassificationTally, type RegressionTally } from "../../shared/evaluation/tally.ts";
import type { ShardId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import type { ProbePart } from "../catalog/probe-parts.ts";
import { Breather } from "../engine/breather.ts";
import { type Engine, engineOf } from "../engine/engine.ts";
import type { Held } from "../engine/leased-cache.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { shardKey } from "../objects/keys.ts";
import { holdEndpoints, type PreparedEvaluation } from "./evaluation.ts";
import { tallyBytes } from "./memory.ts";
import type { Unit } from "./units.ts";

type Tally = ClassificationTally | RegressionTally;

/** One for the isolate: units follow each other closely, and each may be too short to need a breath. */
const breather = new Breather();

/**
 * Evaluates a run of points on a run of shards, in the engine's turn.
 * @returns the sums, by shard
 * @throws Problem `over-budget` where there is no memory just now, or no turn; `shard-not-found`, `invalid-shard`,
 *   `incompatible-dataset`, `incompatible-weights`, `non-finite-values`
 */
export async function evaluateUnit(
  environment: Environment,
  evaluation: PreparedEvaluation,
  unit: Unit,
): Promise<ProbePart[]> {
  const engine = await engineOf(limitsOf(environment).memoryBudgetBytes);
  await breather.breathe();
  return engine.turns.run(async () => {
    const { memory, network } = evaluation;
    const leases: { release(): void }[] = [];
    const disposals: (() => void)[] = [];
    try {
      const ends = await holdEndpoints(engine, evaluation);
      leases.push(ends);
      leases.push(engine.budget.take(memory.heap));
      const evaluable = evaluableOfNetwork(network, ends.weights);
      disposals.push(() => evaluable.dispose());
      const mixture = new Mixture(evaluable, ends.weights);
      disposals.push(() => mixture.dispose());
      // They are in the heap now; what stays decoded may go when memory is wanted.
      ends.release();
      leases.push(engine.budget.take(memory.samples + memory.activations));
      return await new UnitWalk(environment, engine, evaluation, mixture).walk(unit);
    } finally {
      for (const dispose of disposals.toReversed()) dispose();
      for (const lease of leases) lease.release();
    }
  });
}

/** One unit while it is evaluated: point after point, each on all the unit's shards. */
class UnitWalk {
  readonly #environment: Environment;
  readonly #engine: Engine;
  readonly #evaluation: PreparedEvaluation;
  readonly #mixture: Mixture;
  #calibration: ValidationShard | undefined;

  constructor(environment: Environment, engine: Engine, evaluation: PreparedEvaluation, mixture: Mixture) {
    this.#environment = environment;
    this.#engine = engine;
    this.#evaluation = evaluation;
    this.#mixture = mixture;
  }

  async walk({ firstShard, lastShard, firstPoint, lastPoint }: Unit): Promise<ProbePart[]> {
    const { grid, shards, calibration } = this.#evaluation;
    if (calibration !== undefined) this.#calibration = await this.#read(calibration.id);
    const walked: {
      shard: number;
      samples: ValidationShard;
      members: Held<readonly Tally[]>;
      sums: EvaluationSums[];
    }[] = [];
    try {
      for (const [at, { id }] of shards.slice(firstShard, lastShard + 1).entries()) {
        const samples = await this.#read(id);
        walked.push({ shard: firstShard + at, samples, members: await this.#members(id, samples), sums: [] });
      }
      for (let point = firstPoint; point <= lastPoint; point++) {
        const member = grid.members.indexOf(point);
        if (member === -1) await this.#moveTo(point);
        for (const { samples, members, sums } of walked) {
          const tally = members.value[member] ?? this.#tally(samples);
          sums.push(tally.sums(rightsOf(members.value)));
          await breather.breathe();
        }
      }
      return walked.map(({ shard, sums }) => ({ shard, first: firstPoint, sums }));
    } finally {
      for (const { members } of walked) members.release();
    }
  }

  /** What the grid's members made of a shard; every point is compared with them, sample by sample. */
  #members(id: ShardId, samples: ValidationShard): Promise<Held<readonly Tally[]>> {
    const { grid, key } = this.#evaluation;
    const labels = "targets" in samples ? samples.targets.length : samples.y.length;
    const bytes = tallyBytes(labels, grid.members.length);
    // Also by how many: a single point may be wanted by itself, of a grid without members.
    return this.#engine.tallies.use(`${key} ${grid.members.length} ${id}`, bytes, async () => {
      const tallies: Tally[] = [];
      for (const point of grid.members) {
        await this.#moveTo(point);
        tallies.push(this.#tally(samples));
        await breather.breathe();
      }
      return tallies;
    });
  }

  #tally(samples: ValidationShard): Tally {
    return tallyShard(this.#mixture.evaluable, samples, this.#evaluation.memory.batch);
  }

  /** Puts the model at a point of the grid, and its statistics where they are to be. */
  async #moveTo(point: number): Promise<void> {
    const { grid, key, memory } = this.#evaluation;
    const coefficients = grid.points[point];
    if (coefficients === undefined) throw new RangeError(`the grid has no point ${point}`);
    this.#mixture.moveTo(coefficients);
    const calibration = this.#calibration;
    if (calibration === undefined) return;
    const { evaluable } = this.#mixture;
    const bytes = 8 * evaluable.normalizations.reduce((sum, { movingMean }) => sum + movingMean.size, 0);
    const statistics = await this.#engine.statistics.use(
      `${key} ${coefficients.join(" ")}`,
      bytes,
      async (): Promise<BatchStatistics> => recomputeStatistics(evaluable, calibration, memory.batch),
    );
    try {
      assignStatistics(evaluable, statistics.value);
    } finally {
      statistics.release();
    }
  }

  async #read(id: ShardId): Promise<ValidationShard> {
    const object = await this.#environment.BUCKET.get(shardKey(id));
    if (object === null) throw new Problem("shard-not-found", `The bucket has lost shard ${id}.`, { shard: id });
    return decodeValidationShard(new Uint8Array(await object.arrayBuffer()));
  }
}

function rightsOf(members: readonly Tally[]): Uint8Array[] {
  return members.flatMap((tally) => (tally instanceof ClassificationTally ? [tally.right] : []));
}
