import type { EvaluationForm } from "../../shared/api/evaluation-form.ts";
import type { ShardDescription } from "../../shared/api/datasets.ts";
import type { StatisticsMode } from "../../shared/api/probes.ts";
import type { Grid } from "../../shared/evaluation/grids.ts";
import type { EvaluationSums } from "../../shared/evaluation/sums.ts";
import type { Environment } from "../environment.ts";
import type { Endpoint } from "./endpoints.ts";
import { evaluateUnit } from "./evaluate-unit.ts";
import type { PreparedEvaluation } from "./evaluation.ts";
import { OpenShards, RunningTotals } from "./running-totals.ts";
import { unitsOf } from "./units.ts";

/** Points in weight space, and the samples they are evaluated on. */
export interface Evaluation {
  /** As many as the grid's coefficients have entries. */
  readonly endpoints: readonly Endpoint[];
  readonly grid: Grid;
  /** In the dataset's order. */
  readonly shards: readonly ShardDescription[];
  readonly statistics: StatisticsMode;
  /** What statistics are recomputed on; goes with `recomputed`. */
  readonly calibration?: ShardDescription;
  /** How weights are to be read, where the files do not say. */
  readonly form?: EvaluationForm;
  /** Samples at a time at most. */
  readonly batch?: number;
}

/**
 * Evaluates points in weight space on shards, in this invocation, and stores nothing. The engine is given free between
 * runs of work, so others get their turns.
 * @param beat called before every run of work; what it throws ends the work
 * @returns the sums of every point, over all shards
 * @throws Problem `too-large-for-isolate`, `over-budget`, `incompatible-inputs`, `incompatible-weights`,
 *   `incompatible-dataset`, `unknown-architecture`, `unsupported-dtype`, `non-finite-values`
 */
export async function evaluateModels(
  environment: Environment,
  prepared: PreparedEvaluation,
  beat?: () => Promise<void>,
): Promise<readonly EvaluationSums[]> {
  const running = new RunningTotals();
  const open = new OpenShards(prepared.grid.points.length);
  for (const unit of unitsOf(prepared.workload, prepared.unitOperations)) {
    await beat?.();
    for (const { shard, sums } of await evaluateUnit(environment, prepared, unit)) {
      const whole = open.take(shard, sums);
      if (whole !== undefined) running.add(whole);
    }
  }
  if (running.totals === undefined) throw new RangeError("an evaluation has at least one shard");
  return running.totals;
}

/** The same of a single model or mixture. */
export async function evaluateOne(
  environment: Environment,
  prepared: PreparedEvaluation,
  beat?: () => Promise<void>,
): Promise<EvaluationSums> {
  const [sums] = await evaluateModels(environment, prepared, beat);
  if (sums === undefined) throw new RangeError("a grid has at least one point");
  return sums;
}
