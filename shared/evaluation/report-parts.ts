import type { PathPoint, Quality } from "./barrier.ts";
import type { Grid } from "./grids.ts";
import { type AccuracyDifference, pairedDifference } from "./intervals.ts";
import { classAccuracies, type ClassificationSums, type EvaluationSums, meansOf } from "./sums.ts";

/** What every report says of the evaluation. */
export interface ReportFacts {
  readonly task: EvaluationSums["task"];
  /** Labels that were evaluated, of sequences one a position; of a regression, target values. */
  readonly samples: number;
  /** Labels of each class; absent where classes are not told apart. */
  readonly classCounts?: number[];
}

/** One model, evaluated. */
export interface MeasuredPoint<Accuracy extends number | null = number> extends Quality<Accuracy> {
  /** Accuracy of each class, a fraction; null where no sample has it. Absent where classes are not told apart. */
  readonly classes?: (number | null)[];
}

/** One point of a path, evaluated. */
export interface MeasuredPathPoint<Accuracy extends number | null = number>
  extends MeasuredPoint<Accuracy>, PathPoint<Accuracy> {
  /** How far the accuracy lies below the straight line, with its 95 % confidence interval; null of a regression. */
  readonly accuracyGap: AccuracyDifference | null;
}

/** Merged sums of a grid, as reports look at them. */
export class GridSums {
  readonly grid: Grid;
  readonly #totals: readonly EvaluationSums[];

  /** @throws RangeError where there are not as many sums as points */
  constructor(grid: Grid, totals: readonly EvaluationSums[]) {
    if (totals.length !== grid.points.length) {
      throw new RangeError(`${grid.points.length} points have as many sums, not ${totals.length}`);
    }
    this.grid = grid;
    this.#totals = totals;
  }

  at(index: number): EvaluationSums {
    const sums = this.#totals[index];
    if (sums === undefined) throw new RangeError(`the grid has no point ${index}`);
    return sums;
  }

  facts(): ReportFacts {
    const sums = this.at(0);
    const classCounts = sums.task === "classification" ? sums.classes.map(({ count }) => count) : [];
    return { task: sums.task, samples: sums.count, ...(classCounts.length === 0 ? {} : { classCounts }) };
  }

  quality(index: number): Quality<number | null> {
    return meansOf(this.at(index));
  }

  measured(index: number): MeasuredPoint<number | null> {
    const sums = this.at(index);
    const classes = sums.task === "classification" ? classAccuracies(sums) : [];
    return { ...this.quality(index), ...(classes.length === 0 ? {} : { classes }) };
  }

  members(): MeasuredPoint<number | null>[] {
    return this.grid.members.map((index) => this.measured(index));
  }

  /** How far a point's accuracy lies below what its coefficients make of the members'; null of a regression. */
  gap(index: number): AccuracyDifference | null {
    const sums = this.at(index);
    if (sums.task === "regression") return null;
    // A member compared with itself is no measurement.
    if (this.grid.members.includes(index)) return { difference: 0, low: 0, high: 0 };
    return pairedDifference(sums, this.grid.points[index] ?? [], this.#memberSums());
  }

  #memberSums(): ClassificationSums[] {
    return this.grid.members.map((member) => {
      const sums = this.at(member);
      if (sums.task === "regression") throw new RangeError("sums of a classification and of a regression do not mix");
      return sums;
    });
  }

  /**
   * Points of a path.
   * @param alphas ascending
   * @param indices of the points, one for each alpha
   */
  path(alphas: readonly number[], indices: readonly number[]): MeasuredPathPoint<number | null>[] {
    return indices.map((index, place) => ({
      alpha: alphas[place] ?? Number.NaN,
      ...this.measured(index),
      accuracyGap: this.gap(index),
    }));
  }
}

/** The largest gap strictly between a path's ends, which may be negative; 0 where there is nothing between. */
export function largestGap(points: readonly MeasuredPathPoint<number | null>[]): AccuracyDifference | null {
  const [first] = points;
  const between = points.slice(1, -1).map(({ accuracyGap }) => accuracyGap);
  return between.reduce(
    (largest, gap) => (largest === null || (gap !== null && gap.difference > largest.difference) ? gap : largest),
    between[0] ?? first?.accuracyGap ?? null,
  );
}
