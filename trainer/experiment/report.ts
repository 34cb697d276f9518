import { barrierChart, type ChartSeries } from "../../shared/evaluation/chart.ts";
import { spreadChart } from "../../shared/evaluation/spread-chart.ts";
import type { ConditionResult, Spread, SummaryRow } from "./summary.ts";
import type { Study } from "./study.ts";

/** A study's results, ready to be written. */
export interface StudyReport {
  readonly name: string;
  readonly study: Study;
  readonly rows: readonly SummaryRow[];
  readonly results: readonly ConditionResult[];
}

const percent = ({ median }: Spread) => `${(100 * median).toFixed(1)} %`;
/** One decimal, and no minus before a zero. */
const points = (fraction: number) => (100 * fraction).toFixed(1).replace(/^-(0\.0)$/, "$1");

const HEADERS = ["parents", "average", "loss barrier", "accuracy barrier", "lowest to highest", "diverged"] as const;

/** The cells of a study's table, its header first; texts only. */
function tableCells({ study, rows }: StudyReport): string[][] {
  const several = new Set(rows.map(({ series }) => series)).size > 1;
  const header = [...(several ? [""] : []), study.axis, ...HEADERS];
  const lines = rows.map(({ series, category, parents, merged, lossBarrier, accuracyBarrier, diverged }) => [
    ...(several ? [series] : []),
    category,
    percent(parents),
    percent(merged),
    lossBarrier.median.toFixed(3),
    `${points(accuracyBarrier.median)} points`,
    `${points(accuracyBarrier.lowest)} to ${points(accuracyBarrier.highest)}`,
    String(diverged),
  ]);
  return [header, ...lines];
}

/** The table in Markdown. Medians over the repetitions; points are per cent of accuracy. */
export function markdownTable(report: StudyReport): string {
  const [header = [], ...lines] = tableCells(report);
  const texts = header.length - HEADERS.length;
  const rule = header.map((_, column) => (column < texts ? "---" : "---:"));
  return [header, rule, ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** The table for a terminal. */
export function textTable(report: StudyReport): string {
  const cells = tableCells(report);
  const texts = (cells[0]?.length ?? 0) - HEADERS.length;
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
  const lines = cells.map((line) =>
    line
      .map((cell, column) => (column < texts ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
  return lines.join("\n");
}

/** Barriers of all repetitions, by the study's axis. */
export function barrierPicture({ study, rows }: StudyReport): string {
  const categories = [...new Set(rows.map(({ category }) => category))];
  const series = [...new Set(rows.map((row) => row.series))].map((label) => ({
    label,
    values: categories.map(
      (category) => rows.find((row) => row.series === label && row.category === category)?.accuracyBarrier.values ?? [],
    ),
  }));
  return spreadChart({ title: study.title, categories, axis: study.axis, measure: "accuracy barrier", series });
}

/** The paths whose barrier is the median one of their condition, for up to six conditions; undefined for averages of K. */
export function curvePicture({ study, results }: StudyReport): string | undefined {
  if (study.measures === "mean" || results.length > 6) return undefined;
  const series = results.flatMap(({ condition, measurements }): ChartSeries[] => {
    const sorted = measurements.toSorted((a, b) => a.path.accuracyBarrier - b.path.accuracyBarrier);
    const typical = sorted[Math.floor((sorted.length - 1) / 2)];
    return typical === undefined ? [] : [{ label: `${study.axis} ${condition.category}`, points: typical.path.points }];
  });
  return barrierChart(study.title, series);
}

/** The whole report in Markdown; pictures are named beside it. */
export function markdownReport(
  heading: { readonly title: string; readonly facts: readonly string[]; readonly settings: string },
  reports: readonly StudyReport[],
): string {
  const sections = reports.map((report) => {
    const { name, study } = report;
    const curves = curvePicture(report) === undefined ? "" : `\n![Accuracy along the path](${name}-curves.svg)\n`;
    return (
      `## ${study.title}\n\n${study.question}\n\n${markdownTable(report)}\n\n` +
      `![Accuracy barrier by ${study.axis}](${name}.svg)\n${curves}`
    );
  });
  return (
    `# ${heading.title}\n\n${heading.facts.map((fact) => `- ${fact}`).join("\n")}\n\n` +
    `What no study varies:\n\n\`\`\`json\n${heading.settings}\n\`\`\`\n\n` +
    "Medians over the repetitions. The accuracy barrier is the largest gap below the straight line between the two " +
    "models' accuracies, in points (per cent of accuracy); for averages of K models it is the mean accuracy of the " +
    `members less that of their average.\n\n${sections.join("\n")}`
  );
}
