import { assignStatistics, type BatchStatistics, recomputeStatistics } from "./batch-statistics.ts";
import { DEFAULT_BATCH, tallyShard } from "./evaluate.ts";
import type { Grid } from "./grids.ts";
import type { Mixture } from "./mixture.ts";
import type { Shard, ValidationShard } from "./shard.ts";
import type { ClassificationSums, EvaluationSums } from "./sums.ts";
import { ClassificationTally } from "./tally.ts";

export interface GridOptions {
  /** Samples at a time; bounds the activations held and changes no result. */
  readonly batch?: number;
  /** For each point of the grid, statistics that `recomputeGrid` gave; without, they are interpolated. */
  readonly statistics?: readonly BatchStatistics[];
  /** Called after each point: how many are done. */
  readonly onPoint?: (done: number, points: number) => void;
}

/**
 * Evaluates every point of a grid on one shard: the members first, so that every other point is compared with them sample
 * by sample.
 * @param mixture over as many endpoints as the grid has
 * @returns the sums of every point, in the grid's order; `mergeShards` adds up those of several shards
 * @throws Problem `incompatible-dataset`, `non-finite-values`
 */
export function evaluateGrid(mixture: Mixture, grid: Grid, shard: Shard, options?: GridOptions): ClassificationSums[];
export function evaluateGrid(
  mixture: Mixture,
  grid: Grid,
  shard: ValidationShard,
  options?: GridOptions,
): EvaluationSums[];
export function evaluateGrid(
  mixture: Mixture,
  grid: Grid,
  shard: ValidationShard,
  { batch = DEFAULT_BATCH, statistics, onPoint }: GridOptions = {},
): EvaluationSums[] {
  if (statistics !== undefined && statistics.length !== grid.points.length) {
    throw new RangeError(`${grid.points.length} points take as many statistics, not ${statistics.length}`);
  }
  let done = 0;
  const tally = (index: number) => {
    moveToPoint(mixture, grid, index);
    const own = statistics?.[index];
    if (own !== undefined) assignStatistics(mixture.evaluable, own);
    const counted = tallyShard(mixture.evaluable, shard, batch);
    onPoint?.(++done, grid.points.length);
    return counted;
  };
  const members = grid.members.map(tally);
  const right = members.flatMap((member) => (member instanceof ClassificationTally ? [member.right] : []));
  return grid.points.map((_, index) => (members[grid.members.indexOf(index)] ?? tally(index)).sums(right));
}

/**
 * Recomputes the statistics of batch normalisation at every point of a grid. They are small; every shard is then
 * evaluated with the same ones.
 * @param calibration samples to recompute them on
 * @returns for each point, in the grid's order
 * @throws Problem `incompatible-dataset`, `non-finite-values`
 */
export function recomputeGrid(
  mixture: Mixture,
  grid: Grid,
  calibration: ValidationShard,
  { batch = DEFAULT_BATCH, onPoint }: Pick<GridOptions, "batch" | "onPoint"> = {},
): BatchStatistics[] {
  return grid.points.map((_, index) => {
    moveToPoint(mixture, grid, index);
    const statistics = recomputeStatistics(mixture.evaluable, calibration, batch);
    onPoint?.(index + 1, grid.points.length);
    return statistics;
  });
}

function moveToPoint(mixture: Mixture, grid: Grid, index: number): void {
  const coefficients = grid.points[index];
  if (coefficients === undefined) throw new RangeError(`the grid has no point ${index}`);
  mixture.moveTo(coefficients);
}
