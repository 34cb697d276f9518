import type { Grid } from "./grids.ts";
import { type MatrixReport, reportMatrix } from "./report-matrix.ts";
import { type MeanReport, reportMean } from "./report-mean.ts";
import { type PathReport, reportPath } from "./report-path.ts";
import { type PlaneReport, reportPlane } from "./report-plane.ts";
import type { EvaluationSums } from "./sums.ts";

/** The report of a grid, told by its kind. */
export type GridReport =
  | ({ readonly kind: "path" } & PathReport<number | null>)
  | ({ readonly kind: "mean" } & MeanReport<number | null>)
  | ({ readonly kind: "matrix" } & MatrixReport<number | null>)
  | ({ readonly kind: "plane" } & PlaneReport<number | null>);

/**
 * What an evaluated grid says of its models.
 * @param totals sums of every point over all shards, or over those that are done (`mergeShards`)
 */
export function reportGrid(grid: Grid, totals: readonly EvaluationSums[]): GridReport {
  switch (grid.kind) {
    case "path":
      return { kind: grid.kind, ...reportPath(grid, totals) };
    case "mean":
      return { kind: grid.kind, ...reportMean(grid, totals) };
    case "matrix":
      return { kind: grid.kind, ...reportMatrix(grid, totals) };
    case "plane":
      return { kind: grid.kind, ...reportPlane(grid, totals) };
  }
}

export { type AccuracyDifference, accuracyInterval, pairedDifference, unpairedDifference } from "./intervals.ts";
export { type MatrixReport, type PairReport, reportMatrix } from "./report-matrix.ts";
export { type MeanReport, reportMean } from "./report-mean.ts";
export type { MeasuredPathPoint, MeasuredPoint, ReportFacts } from "./report-parts.ts";
export { type PathReport, reportPath } from "./report-path.ts";
export { type PlaneReport, reportPlane } from "./report-plane.ts";
