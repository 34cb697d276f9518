import { type Barrier, barrierOfPath } from "./barrier.ts";
import type { GridPair, MatrixGrid } from "./grids.ts";
import type { AccuracyDifference } from "./intervals.ts";
import { GridSums, largestGap, type MeasuredPathPoint, type MeasuredPoint, type ReportFacts } from "./report-parts.ts";
import type { ClassificationSums, EvaluationSums } from "./sums.ts";

/** The barrier between two of several models. */
export interface PairReport<Accuracy extends number | null = number> extends Barrier<Accuracy> {
  /** Index of a member. */
  readonly a: number;
  /** Index of a member, larger than `a`. */
  readonly b: number;
  /** From `a` (alpha 0) to `b` (alpha 1). */
  readonly points: MeasuredPathPoint<Accuracy>[];
  /** As of a path (`PathReport`). */
  readonly accuracyGap: AccuracyDifference | null;
}

/** The barriers between each two of K models. */
export interface MatrixReport<Accuracy extends number | null = number> extends ReportFacts {
  readonly members: MeasuredPoint<Accuracy>[];
  readonly pairs: PairReport<Accuracy>[];
  /** [K][K], symmetric, 0 on the diagonal. */
  readonly lossBarriers: number[][];
  /** [K][K], symmetric, 0 on the diagonal; null of a regression. */
  readonly accuracyBarriers: number[][] | null;
}

/** @param totals sums of every point over all shards (`mergeShards`) */
export function reportMatrix(grid: MatrixGrid, totals: readonly ClassificationSums[]): MatrixReport;
export function reportMatrix(grid: MatrixGrid, totals: readonly EvaluationSums[]): MatrixReport<number | null>;
export function reportMatrix(grid: MatrixGrid, totals: readonly EvaluationSums[]): MatrixReport<number | null> {
  const sums = new GridSums(grid, totals);
  const pairs = reportPairs(sums, grid.pairs);
  const facts = sums.facts();
  return {
    ...facts,
    members: sums.members(),
    pairs,
    lossBarriers: symmetric(grid.endpoints, pairs, ({ lossBarrier }) => lossBarrier),
    accuracyBarriers:
      facts.task === "regression"
        ? null
        : symmetric(grid.endpoints, pairs, ({ accuracyBarrier }) => accuracyBarrier ?? 0),
  };
}

/** The barrier between each two members that a grid has points between. */
export function reportPairs(sums: GridSums, pairs: readonly GridPair[]): PairReport<number | null>[] {
  return pairs.map(({ a, b, alphas, points: indices }) => {
    const points = sums.path(alphas, indices);
    return { a, b, points, ...barrierOfPath(points), accuracyGap: largestGap(points) };
  });
}

function symmetric(
  size: number,
  pairs: readonly PairReport<number | null>[],
  of: (pair: PairReport<number | null>) => number,
): number[][] {
  const matrix = Array.from({ length: size }, () => Array.from({ length: size }, () => 0));
  for (const pair of pairs) {
    for (const [row, column] of [
      [pair.a, pair.b],
      [pair.b, pair.a],
    ] as const) {
      const line = matrix[row];
      if (line !== undefined) line[column] = of(pair);
    }
  }
  return matrix;
}
