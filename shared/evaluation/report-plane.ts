import type { PlaneGrid } from "./grids.ts";
import { GridSums, type MeasuredPoint, type ReportFacts } from "./report-parts.ts";
import type { ClassificationSums, EvaluationSums } from "./sums.ts";

/** Loss and accuracy on the plane w(u, v) = a + u (b - a) + v (c - a). */
export interface PlaneReport<Accuracy extends number | null = number> extends ReportFacts {
  /** a, b and c. */
  readonly members: MeasuredPoint<Accuracy>[];
  /** The columns, ascending. */
  readonly u: number[];
  /** The rows, ascending. */
  readonly v: number[];
  /** By row (v), then column (u). */
  readonly loss: number[][];
  /** By row (v), then column (u); null of a regression. */
  readonly accuracy: number[][] | null;
}

/** @param totals sums of every point over all shards (`mergeShards`) */
export function reportPlane(grid: PlaneGrid, totals: readonly ClassificationSums[]): PlaneReport;
export function reportPlane(grid: PlaneGrid, totals: readonly EvaluationSums[]): PlaneReport<number | null>;
export function reportPlane(grid: PlaneGrid, totals: readonly EvaluationSums[]): PlaneReport<number | null> {
  const sums = new GridSums(grid, totals);
  const facts = sums.facts();
  return {
    ...facts,
    members: sums.members(),
    u: [...grid.u],
    v: [...grid.v],
    loss: grid.cells.map((row) => row.map((index) => sums.quality(index).loss)),
    accuracy:
      facts.task === "regression"
        ? null
        : grid.cells.map((row) => row.map((index) => sums.quality(index).accuracy ?? Number.NaN)),
  };
}
