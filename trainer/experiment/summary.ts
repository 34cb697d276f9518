import { median } from "../../shared/evaluation/median.ts";
import { type Measurement, meanOf, midpoint } from "./measurement.ts";
import type { Condition, Study } from "./study.ts";

/** A figure over several repetitions. Barriers of one setting differ several-fold, so the spread is part of it. */
export interface Spread {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  /** By repetition. */
  readonly values: readonly number[];
}

/** One line of a study's table. */
export interface SummaryRow {
  readonly series: string;
  readonly category: string;
  /** Models that were averaged. */
  readonly models: number;
  /** Accuracies of the members; fractions, as all accuracies here. */
  readonly parents: Spread;
  /** Accuracy of their average: the middle of the path, or the average of K. */
  readonly merged: Spread;
  readonly lossBarrier: Spread;
  /** Not below 0 on a path. The average of K may be better than its members; then it is negative. */
  readonly accuracyBarrier: Spread;
  /** Families whose training diverged and that were trained again from another seed. */
  readonly diverged: number;
}

/** A condition and what was found of it. */
export interface ConditionResult {
  readonly condition: Condition;
  readonly measurements: readonly Measurement[];
}

/** The lines of a study's table: one a condition, or for averages of K one for every K. */
export function summarise(study: Study, results: readonly ConditionResult[]): SummaryRow[] {
  return results.flatMap(({ condition, measurements }) => {
    switch (study.measures) {
      case "path":
        return [pathRow(condition, measurements)];
      case "mean":
        return Array.from({ length: condition.setting.models - 1 }, (_, index) =>
          meanRow(condition, measurements, index + 2),
        );
    }
  });
}

function pathRow({ series, category }: Condition, measurements: readonly Measurement[]): SummaryRow {
  return {
    series,
    category,
    models: 2,
    parents: spreadOf(measurements.flatMap(({ members }) => members.slice(0, 2).map(({ accuracy }) => accuracy))),
    merged: spreadOf(measurements.map(midpoint)),
    lossBarrier: spreadOf(measurements.map(({ path }) => path.lossBarrier)),
    accuracyBarrier: spreadOf(measurements.map(({ path }) => path.accuracyBarrier)),
    diverged: divergedIn(measurements),
  };
}

function meanRow({ series }: Condition, measurements: readonly Measurement[], models: number): SummaryRow {
  const means = measurements.map((measurement) => meanOf(measurement, models));
  return {
    series,
    category: String(models),
    models,
    parents: spreadOf(measurements.flatMap(({ members }) => members.slice(0, models).map(({ accuracy }) => accuracy))),
    merged: spreadOf(means.map(({ accuracy }) => accuracy)),
    lossBarrier: spreadOf(means.map(({ lossBarrier }) => lossBarrier)),
    accuracyBarrier: spreadOf(means.map(({ accuracyBarrier }) => accuracyBarrier)),
    diverged: divergedIn(measurements),
  };
}

const divergedIn = (measurements: readonly Measurement[]) =>
  measurements.reduce((sum, { diverged }) => sum + diverged, 0);

/** @throws RangeError for no values */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError("a spread of no values");
  return { median: median(values), lowest: Math.min(...values), highest: Math.max(...values), values };
}
