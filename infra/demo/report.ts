import { type ChartSeries } from "../../shared/evaluation/chart.ts";
import type { PathPoint } from "../../shared/evaluation/barrier.ts";

/** One pair of models: how good they are, how good their average is, and what lies between them. */
export interface DemoRow {
  readonly fixedRatio: number;
  /** Validation accuracies of the two parents, as fractions. */
  readonly accuracies: readonly [number, number];
  /** Of the fused model, fetched back over HTTP and evaluated outside the worker. */
  readonly fusedAccuracy: number;
  /** Absolute, as a fraction: 0.05 = 5 points. */
  readonly accuracyBarrier: number;
  /** In nats. */
  readonly lossBarrier: number;
  /** What the worker found when it compared the frozen entries. */
  readonly alignment: "verified" | "not verified" | "no mask";
  readonly model: string;
  readonly probe: string;
  readonly points: readonly PathPoint[];
}

export interface DemoReport {
  readonly dataset: string;
  readonly pairs: number;
  readonly epochs: number;
  readonly seconds: number;
  readonly rows: readonly DemoRow[];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Rows by fixed ratio, ascending. */
function byRatio(rows: readonly DemoRow[]): [ratio: number, rows: DemoRow[]][] {
  return Array.from(Map.groupBy(rows, ({ fixedRatio }) => fixedRatio)).sort(([a], [b]) => a - b);
}

const percent = (fraction: number) => `${(100 * fraction).toFixed(1)} %`;
const points = (fraction: number) => (100 * fraction).toFixed(1);
const nameOfRatio = (ratio: number) => (ratio === 0 ? "none" : `${Math.round(100 * ratio)} %`);

/** The table as text: one line a fixed ratio, medians over its pairs, and the spread where there is more than one. */
export function demoTable({ rows, pairs }: DemoReport): string {
  const spread = pairs > 1;
  const header = [
    "frozen",
    "parents",
    "fused",
    "accuracy barrier",
    ...(spread ? ["(lowest to highest)"] : []),
    "loss barrier",
    "alignment",
  ];
  const lines = byRatio(rows).map(([ratio, group]) => {
    const barriers = group.map(({ accuracyBarrier }) => accuracyBarrier);
    const verdicts = new Set(group.map(({ alignment }) => alignment));
    return [
      nameOfRatio(ratio),
      percent(median(group.flatMap(({ accuracies }) => accuracies))),
      percent(median(group.map(({ fusedAccuracy }) => fusedAccuracy))),
      `${points(median(barriers))} points`,
      ...(spread ? [`${points(Math.min(...barriers))} to ${points(Math.max(...barriers))}`] : []),
      median(group.map(({ lossBarrier }) => lossBarrier)).toFixed(3),
      [...verdicts].join(", "),
    ];
  });
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const format = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column === 0 || column === cells.length - 1
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [format(header), format(widths.map((width) => "-".repeat(width))), ...lines.map(format)].join("\n");
}

/** For the chart: the pair of each ratio whose barrier is the median one (the lower of the two middle ones). */
export function medianPaths(rows: readonly DemoRow[]): ChartSeries[] {
  return byRatio(rows).flatMap(([ratio, group]) => {
    const sorted = group.toSorted((a, b) => a.accuracyBarrier - b.accuracyBarrier);
    const typical = sorted[Math.floor((sorted.length - 1) / 2)];
    const label = ratio === 0 ? "no mask" : `${nameOfRatio(ratio)} frozen`;
    return typical === undefined ? [] : [{ label, points: typical.points }];
  });
}
