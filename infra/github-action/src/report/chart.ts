import type { JobDescription } from "../../../../shared/api/jobs.ts";
import type { ProbeDescription } from "../../../../shared/api/probe-answers.ts";
import { measuresOf, type Quality } from "./measures.ts";

/** Bars beyond these are too thin to be told apart. */
const MOST_BARS = 16;

interface Chart {
  readonly title: string;
  /** As Mermaid writes an axis. */
  readonly x: string;
  readonly kind: "line" | "bar";
  readonly values: readonly number[];
  readonly unit: string;
}

/**
 * The figures as a chart that GitHub draws itself, from the text alone: for models whose picture strangers cannot see,
 * such as one that a gate refused. The path between two members where it may be read, else the members and their model.
 * @returns undefined where nothing was measured
 * @see https://mermaid.js.org/syntax/xyChart.html
 */
export function chartOf(job: JobDescription, probe: ProbeDescription | undefined): string | undefined {
  const chart = pathChart(probe) ?? membersChart(job, probe);
  if (chart === undefined || !chart.values.every(Number.isFinite)) return undefined;
  const { title, x, kind, values, unit } = chart;
  const [low, high] = rangeOf(values, kind);
  const lines = [
    "xychart-beta",
    `  title "${title}"`,
    `  x-axis ${x}`,
    `  y-axis "${unit}" ${text(low)} --> ${text(high)}`,
    `  ${kind} [${values.map(text).join(", ")}]`,
  ];
  return ["```mermaid", ...lines, "```"].join("\n");
}

function pathChart(probe: ProbeDescription | undefined): Chart | undefined {
  if (probe?.kind !== "path") return undefined;
  const { points } = probe;
  // A line's points are spread evenly over the axis.
  const isEven = points.every(({ alpha }, index) => Math.abs(alpha * (points.length - 1) - index) < 1e-6);
  if (!isEven || points.length < 2) return undefined;
  return { title: "From one model to the other", x: '"alpha" 0 --> 1', kind: "line", ...figures(points) };
}

function membersChart(job: JobDescription, probe: ProbeDescription | undefined): Chart | undefined {
  const { model, members } = measuresOf(job, probe);
  if (model === undefined || members.size >= MOST_BARS) return undefined;
  const order = new Map<string, number>(job.result?.members.map((id, index) => [id, index + 1]));
  const bars = [...members].sort(([a], [b]) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
  const names = bars.map(([id]) => (order.has(id) ? `member ${order.get(id)}` : id.slice(0, 8)));
  const x = `[${[...names, "model"].map((name) => `"${name}"`).join(", ")}]`;
  return { title: "Members and model", x, kind: "bar", ...figures([...bars.map(([, quality]) => quality), model]) };
}

/** Accuracies in percent; of a regression, and where one is missing, losses. */
function figures(qualities: readonly Quality[]): Pick<Chart, "values" | "unit"> {
  const accuracies = qualities.map(({ accuracy }) => accuracy).filter((accuracy) => accuracy !== null);
  return accuracies.length === qualities.length
    ? { values: accuracies.map((accuracy) => 100 * accuracy), unit: "accuracy, %" }
    : { values: qualities.map(({ loss }) => loss), unit: "loss" };
}

/** Bars begin at nothing; a line has a little room above and below. */
function rangeOf(values: readonly number[], kind: Chart["kind"]): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(0.05 * (high - low), 0.01);
  return [kind === "bar" ? Math.min(0, low) : low - room, high + room];
}

const text = (value: number) => String(Number(value.toFixed(4)));
