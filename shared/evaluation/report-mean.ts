import { barrierOfMean } from "./barrier.ts";
import type { MeanGrid } from "./grids.ts";
import type { AccuracyDifference } from "./intervals.ts";
import { type PairReport, reportPairs } from "./report-matrix.ts";
import { GridSums, type MeasuredPoint, type ReportFacts } from "./report-parts.ts";
import type { ClassificationSums, EvaluationSums } from "./sums.ts";

/** The barrier around the mean of K models. */
export interface MeanReport<Accuracy extends number | null = number> extends ReportFacts {
  readonly members: MeasuredPoint<Accuracy>[];
  readonly mean: MeasuredPoint<Accuracy>;
  /** L(mean) - mean(L); negative where the mean is better. */
  readonly lossBarrier: number;
  /** mean(A) - A(mean), a fraction. */
  readonly accuracyBarrier: Accuracy;
  /** The same over mean(A). */
  readonly accuracyBarrierNormalized: Accuracy;
  /** The accuracy barrier with its 95 % confidence interval; null of a regression. */
  readonly accuracyGap: AccuracyDifference | null;
  /** Where the grid has points between each two members. */
  readonly pairs?: PairReport<Accuracy>[];
}

/** @param totals sums of every point over all shards (`mergeShards`) */
export function reportMean(grid: MeanGrid, totals: readonly ClassificationSums[]): MeanReport;
export function reportMean(grid: MeanGrid, totals: readonly EvaluationSums[]): MeanReport<number | null>;
export function reportMean(grid: MeanGrid, totals: readonly EvaluationSums[]): MeanReport<number | null> {
  const sums = new GridSums(grid, totals);
  const members = sums.members();
  const mean = sums.measured(grid.mean);
  const { lossBarrier, accuracyBarrier } = barrierOfMean(members, mean);
  return {
    ...sums.facts(),
    members,
    mean,
    lossBarrier,
    accuracyBarrier,
    accuracyBarrierNormalized: normalized(accuracyBarrier, mean.accuracy),
    accuracyGap: sums.gap(grid.mean),
    ...(grid.pairs.length === 0 ? {} : { pairs: reportPairs(sums, grid.pairs) }),
  };
}

/** @returns 0 where all members are wrong on every sample: nothing can be lost then */
function normalized(barrier: number | null, accuracy: number | null): number | null {
  if (barrier === null || accuracy === null) return null;
  const line = barrier + accuracy;
  return line > 0 ? barrier / line : 0;
}
