import { type Barrier, barrierOfPath, type BarrierVariants, variantsOfPath } from "./barrier.ts";
import type { PathGrid } from "./grids.ts";
import type { AccuracyDifference } from "./intervals.ts";
import { GridSums, largestGap, type MeasuredPathPoint, type ReportFacts } from "./report-parts.ts";
import type { ClassificationSums, EvaluationSums } from "./sums.ts";

/** The barrier between two models. `Accuracy` is null of a regression. */
export interface PathReport<Accuracy extends number | null = number> extends ReportFacts, Barrier<Accuracy> {
  readonly points: MeasuredPathPoint<Accuracy>[];
  /**
   * The largest gap below the straight line strictly between the ends, with its 95 % confidence interval. It is negative
   * where the path is better than the line everywhere, and the accuracy barrier 0; null of a regression.
   */
  readonly accuracyGap: AccuracyDifference | null;
  readonly variants: BarrierVariants<Accuracy>;
}

/**
 * Measures the barrier on a path.
 * @param totals sums of every point over all shards (`mergeShards`)
 */
export function reportPath(grid: PathGrid, totals: readonly ClassificationSums[]): PathReport;
export function reportPath(grid: PathGrid, totals: readonly EvaluationSums[]): PathReport<number | null>;
export function reportPath(grid: PathGrid, totals: readonly EvaluationSums[]): PathReport<number | null> {
  const sums = new GridSums(grid, totals);
  const points = sums.path(grid.alphas, [...grid.points.keys()]);
  return {
    ...sums.facts(),
    points,
    ...barrierOfPath(points),
    accuracyGap: largestGap(points),
    variants: variantsOfPath(points),
  };
}
