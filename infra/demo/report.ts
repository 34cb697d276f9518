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
  /** What became of publishing the fused model under `alias`, which its gate decides. */
  readonly gate: "published" | "refused";
  readonly alias: string;
  /** Digests of the two parents. */
  readonly parents: readonly [string, string];
  readonly model: string;
  readonly probe: string;
  readonly points: readonly PathPoint[];
}

export interface DemoReport {
  readonly dataset: string;
  readonly pairs: number;
  readonly epochs: number;
  readonly seconds: number;
  /** Accuracy barrier that the gates allow, as a fraction. */
  readonly allowed: number;
  readonly rows: readonly DemoRow[];
  /** What the command line said about the same pairs. */
  readonly commands: readonly DemoCommand[];
}

/** A command line that was run, and how it ended. */
export interface DemoCommand {
  readonly line: string;
  readonly exitCode: number;
  /** What it printed, a line each. */
  readonly output: readonly string[];
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
export function demoTable({ rows, pairs, allowed }: Pick<DemoReport, "rows" | "pairs" | "allowed">): string {
  const spread = pairs > 1;
  const header = [
    "frozen",
    "parents",
    "fused",
    "accuracy barrier",
    ...(spread ? ["(lowest to highest)"] : []),
    "loss barrier",
    "alignment",
    `gate at ${points(allowed)} points`,
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
      gateCell(group),
    ];
  });
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const format = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column === 0 || column >= cells.length - 2
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [format(header), format(widths.map((width) => "-".repeat(width))), ...lines.map(format)].join("\n");
}

/** `published`, `refused`, or how many of several were published. */
function gateCell(group: readonly DemoRow[]): string {
  const published = group.filter(({ gate }) => gate === "published").length;
  if (published === group.length) return "published";
  return published === 0 ? "refused" : `${published} of ${group.length} published`;
}

/** Command lines, their exit codes and what they said. */
export function commandsText(commands: readonly DemoCommand[]): string {
  return commands
    .map(({ line, exitCode, output }) => [`$ ${line}`, ...output.map((said) => `  ${said}`), `  exit code ${exitCode}`])
    .map((lines) => lines.join("\n"))
    .join("\n");
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
