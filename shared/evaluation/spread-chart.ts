import { chartStyle, escapeXml, svgNumber as number } from "./chart-style.ts";
import { median } from "./median.ts";

/** Values of one series, a list for every category. */
export interface SpreadSeries {
  readonly label: string;
  /** As many lists as categories; an empty one draws nothing. */
  readonly values: readonly (readonly number[])[];
}

export interface SpreadChart {
  /** Plain text, as all texts here; escaped when drawn. */
  readonly title: string;
  readonly categories: readonly string[];
  /** What the categories are. */
  readonly axis: string;
  /** What the values are; fractions, drawn as per cent or points. */
  readonly measure: string;
  readonly series: readonly SpreadSeries[];
}

const WIDTH = 640;
const PLOT = { left: 64, top: 72, right: 616, bottom: 300 };
const LEGEND_TOP = 374;
const LEGEND_ROW = 22;
/** Share of a category's width that its series take. */
const FILLED = 0.6;
/** Longest category name that is legible beside its neighbours, in characters per 100 units of width. */
const CHARACTERS_PER_100 = 13;

const RULES = [
  ".grid{stroke-width:1;fill:none}path.medians{fill:none;stroke-width:1.5;stroke-dasharray:5 4}",
  "path.median{fill:none;stroke-width:3}.value{stroke:none;fill-opacity:.55}.dot{stroke:none}",
] as const;

/**
 * Draws values that scatter, by category: a dot a value, a bar at each median, a dashed line from median to median. An
 * SVG that follows the reader's light or dark scheme and says in words what it shows. Equal input gives equal bytes.
 * @throws RangeError where a series has not one list a category
 */
export function spreadChart({ title, categories, axis, measure, series }: SpreadChart): string {
  for (const { label, values } of series) {
    if (values.length !== categories.length) throw new RangeError(`${label} has not one list a category`);
  }
  const { ticks, low, high } = fractionScale(series.flatMap(({ values }) => values.flat()));
  const slot = (PLOT.right - PLOT.left) / Math.max(categories.length, 1);
  const step = (slot * FILLED) / Math.max(series.length, 1);
  const x = (category: number, one: number) =>
    PLOT.left + slot * (category + 0.5) + step * (one - (series.length - 1) / 2);
  const y = (value: number) => PLOT.bottom - ((value - low) / (high - low)) * (PLOT.bottom - PLOT.top);
  const crowded = Math.max(...categories.map((name) => name.length), 0) > (slot / 100) * CHARACTERS_PER_100;
  const height = LEGEND_TOP + LEGEND_ROW * series.length + 4;
  const words = series.map((one) => describe(one, categories));

  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<desc id="description">${escapeXml(`${measure}, medians. ${words.join("; ")}`)}</desc>`,
    `<style>${chartStyle(series.length, RULES)}</style>`,
    `<rect class="paper" width="${WIDTH}" height="${height}" rx="8"/>`,
    `<text class="heading" x="16" y="30">${escapeXml(title)}</text>`,
    `<text class="axis" x="16" y="54">${escapeXml(measure)}</text>`,
    ...ticks.map(
      (tick) =>
        `<path class="grid" d="M${PLOT.left} ${number(y(tick))}H${PLOT.right}"/>` +
        `<text class="tick" x="${PLOT.left - 8}" y="${number(y(tick) + 5)}" text-anchor="end">${number(100 * tick)}%</text>`,
    ),
    ...categories.map(
      (name, category) =>
        // Where names would touch, every second one stands a line lower.
        `<text class="tick" x="${number(PLOT.left + slot * (category + 0.5))}" ` +
        `y="${PLOT.bottom + 20 + (crowded && category % 2 === 1 ? 17 : 0)}" text-anchor="middle">${escapeXml(name)}</text>`,
    ),
    `<text class="axis" x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + (crowded ? 57 : 42)}" ` +
      `text-anchor="middle">${escapeXml(axis)}</text>`,
    ...series.map((one, index) => drawSeries(one, index, step, x, y)),
    ...series.map(
      ({ label }, index) =>
        `<circle class="dot s${index}" cx="24" cy="${LEGEND_TOP + LEGEND_ROW * index}" r="5"/>` +
        `<text class="legend" x="38" y="${LEGEND_TOP + LEGEND_ROW * index + 5}">${escapeXml(label)}</text>`,
    ),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

function drawSeries(
  { values }: SpreadSeries,
  index: number,
  step: number,
  x: (category: number, series: number) => number,
  y: (value: number) => number,
): string {
  const half = Math.min(step * 0.42, 22);
  const medians = values.flatMap((list, category) =>
    list.length === 0 ? [] : [{ at: x(category, index), value: median(list) }],
  );
  const joined = medians.map(({ at, value }) => `${number(at)} ${number(y(value))}`).join("L");
  return [
    medians.length > 1 ? `<path class="medians s${index}" d="M${joined}"/>` : "",
    ...values.flatMap((list, category) =>
      list.map(
        (value) =>
          `<circle class="value s${index}" cx="${number(x(category, index))}" cy="${number(y(value))}" r="4"/>`,
      ),
    ),
    ...medians.map(
      ({ at, value }) =>
        `<path class="median s${index}" d="M${number(at - half)} ${number(y(value))}H${number(at + half)}"/>`,
    ),
  ].join("");
}

function describe({ label, values }: SpreadSeries, categories: readonly string[]): string {
  const parts = values.flatMap((list, category) =>
    list.length === 0 ? [] : [`${categories[category] ?? ""} ${(100 * median(list)).toFixed(1)} %`],
  );
  return `${label}: ${parts.join(", ")}`;
}

/** Round limits around 0 and the values, and at most seven ticks. */
function fractionScale(values: readonly number[]): { low: number; high: number; ticks: number[] } {
  const lowest = Math.min(...values, 0);
  const highest = Math.max(...values, 0.01);
  const step =
    [0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25].find((candidate) => (highest - lowest) / candidate <= 5) ?? 0.5;
  const first = Math.floor(lowest / step + 1e-9);
  const last = Math.max(Math.ceil(highest / step - 1e-9), first + 1);
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
  return { low: first * step, high: last * step, ticks };
}
