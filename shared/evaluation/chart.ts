import { barrierOfPath, type PathPoint, straightLine } from "./barrier.ts";
import { chartStyle, escapeXml, svgNumber as number } from "./chart-style.ts";

/** One path to draw: what it is called and its points by ascending alpha, from 0 to 1. */
export interface ChartSeries {
  readonly label: string;
  readonly points: readonly PathPoint[];
}

const WIDTH = 640;
const PLOT = { left: 64, top: 56, right: 616, bottom: 300 };
const LEGEND_TOP = 370;
const LEGEND_ROW = 22;

const CURVE_RULES = [
  ".grid{stroke-width:1;fill:none}path.curve{fill:none;stroke-width:2.5;stroke-linejoin:round}",
  "path.line{fill:none;stroke-width:1.5;stroke-dasharray:5 4}path.gap{fill:none;stroke-width:2}",
  "path.area{stroke:none;fill-opacity:.12}.dot{stroke:none}",
] as const;

/**
 * Draws accuracy along one or more straight paths between models: each curve, its straight line, and the barrier
 * marked where it is largest. An SVG that follows the reader's light or dark scheme, is readable at 400 px and says in
 * words what it shows. Equal input gives equal bytes: no clock, no locale, no random ids.
 * @param title plain text; escaped here
 */
export function barrierChart(title: string, series: readonly ChartSeries[]): string {
  const scale = accuracyScale(series);
  const x = (alpha: number) => PLOT.left + alpha * (PLOT.right - PLOT.left);
  const y = (accuracy: number) =>
    PLOT.bottom - ((accuracy - scale.low) / (scale.high - scale.low)) * (PLOT.bottom - PLOT.top);
  const height = LEGEND_TOP + LEGEND_ROW * series.length + 4;
  const summaries = series.map(({ label, points }) => `${label}: ${barrierInWords(points)}`);

  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<desc id="description">${escapeXml(summaries.join("; "))}</desc>`,
    `<style>${chartStyle(series.length, CURVE_RULES)}</style>`,
    `<rect class="paper" width="${WIDTH}" height="${height}" rx="8"/>`,
    `<text class="heading" x="${PLOT.left - 48}" y="30">${escapeXml(title)}</text>`,
    ...scale.ticks.map(
      (tick) =>
        `<path class="grid" d="M${PLOT.left} ${number(y(tick))}H${PLOT.right}"/>` +
        `<text class="tick" x="${PLOT.left - 8}" y="${number(y(tick) + 5)}" text-anchor="end">${Math.round(tick * 100)}%</text>`,
    ),
    ...[0, 0.25, 0.5, 0.75, 1].map(
      (alpha) =>
        `<text class="tick" x="${number(x(alpha))}" y="${PLOT.bottom + 20}" text-anchor="middle">${alpha}</text>`,
    ),
    `<text class="axis" x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 40}" text-anchor="middle">` +
      "share of the second model</text>",
    ...series.map((one, index) => drawSeries(one, index, x, y)),
    ...series.map(
      (one, index) =>
        `<circle class="dot s${index}" cx="${PLOT.left - 40}" cy="${LEGEND_TOP + LEGEND_ROW * index}" r="5"/>` +
        `<text class="legend" x="${PLOT.left - 26}" y="${LEGEND_TOP + LEGEND_ROW * index + 5}">` +
        `${escapeXml(summaries[index] ?? one.label)}</text>`,
    ),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

function drawSeries(
  { points }: ChartSeries,
  index: number,
  x: (alpha: number) => number,
  y: (accuracy: number) => number,
): string {
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined) return "";
  const at = (alpha: number, accuracy: number) => `${number(x(alpha))} ${number(y(accuracy))}`;
  const curve = points.map(({ alpha, accuracy }) => at(alpha, accuracy)).join("L");
  const { accuracyBarrier, accuracyBarrierAlpha: worst } = barrierOfPath(points);
  const line = straightLine(first.accuracy, last.accuracy, worst);
  const marker =
    accuracyBarrier > 0
      ? `<path class="gap s${index}" d="M${at(worst, line)}L${at(worst, line - accuracyBarrier)}"/>`
      : "";
  return [
    `<path class="area s${index}" d="M${curve}Z"/>`,
    `<path class="line s${index}" d="M${at(0, first.accuracy)}L${at(1, last.accuracy)}"/>`,
    `<path class="curve s${index}" d="M${curve}"/>`,
    marker,
    ...[first, last].map(
      ({ alpha, accuracy }) =>
        `<circle class="dot s${index}" cx="${number(x(alpha))}" cy="${number(y(accuracy))}" r="4"/>`,
    ),
  ].join("");
}

/** "barrier 12.3 points at 0.5" or "no barrier". A point is one per cent of accuracy. */
export function barrierInWords(points: readonly PathPoint[]): string {
  const { accuracyBarrier, accuracyBarrierAlpha } = barrierOfPath(points);
  const size = (100 * accuracyBarrier).toFixed(1);
  return size === "0.0" ? "no barrier" : `barrier ${size} points at ${Number(accuracyBarrierAlpha.toFixed(2))}`;
}

/** Round limits and at most six ticks that hold every accuracy drawn. */
function accuracyScale(series: readonly ChartSeries[]): { low: number; high: number; ticks: number[] } {
  const values = series.flatMap(({ points }) => points.map(({ accuracy }) => accuracy));
  const lowest = Math.min(...values, 1);
  const highest = Math.max(...values, 0);
  const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((candidate) => (highest - lowest) / candidate <= 4) ?? 0.2;
  const low = Math.max(0, Math.floor(lowest / step) * step);
  const high = Math.max(Math.min(1, Math.ceil(highest / step) * step), low + step);
  const count = Math.round((high - low) / step);
  return { low, high, ticks: Array.from({ length: count + 1 }, (_, index) => low + index * step) };
}
