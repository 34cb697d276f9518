import { escapeXml, svgNumber as number } from "../chart-style.ts";
import { accuracyInterval } from "../intervals.ts";
import { type Picture, WIDTH } from "./picture.ts";
import { scaleBetween, tickText } from "./scale.ts";
import { count, type Measure, MEASURE_NAMES, points as inPoints, shorten, sizeInWords, valueInWords } from "./words.ts";

/** What lies on the straight line between two models. */
export interface PathFigure {
  readonly title: string;
  readonly measure: Measure;
  /** What the two models are called. */
  readonly parents: readonly [string, string];
  readonly samples: number;
  /** By ascending alpha, from 0 to 1; what is not finite is left out of the curve and told. */
  readonly points: readonly { readonly alpha: number; readonly value: number }[];
  /** 95 % confidence interval of the accuracy barrier, where it is known. */
  readonly interval?: { readonly low: number; readonly high: number } | null | undefined;
}

const PLOT = { left: 68, top: 70, right: 456, bottom: 270 };
const LEGEND_TOP = 342;
const ROW = 24;
/** Room for the barrier's label beyond the straight line, as a share of the plot's height. */
const LABEL_ROOM = 0.15;
const EDGE_ROOM = 0.05;

type Point = PathFigure["points"][number] & { readonly low: number; readonly high: number };

/**
 * The curve of a measure between two models, its straight line, the barrier where it is largest, the parents, and around
 * each accuracy its 95 % interval (Wilson's, of so many samples).
 */
export function pathPicture(figure: PathFigure): Picture {
  const { measure, samples } = figure;
  const points = figure.points
    .filter(({ value }) => Number.isFinite(value))
    .map((point) => withInterval(point, figure));
  const [first, last] = [figure.points[0], figure.points.at(-1)];
  const barrier = largestGap(points, measure);
  const rows = legend(figure, barrier, figure.points.length - points.length);
  const parts = { first, last, barrier, points, measure };
  return {
    title: figure.title,
    description: [
      `${MEASURE_NAMES[measure]} on ${count(samples)} samples`,
      ...rows.flatMap(({ said }) => said ?? []),
    ].join("; "),
    height: LEGEND_TOP + ROW * rows.length,
    shapes: [
      `<text class="heading" x="16" y="30">${escapeXml(shorten(figure.title, 46))}</text>`,
      `<text class="faint" x="16" y="52">${escapeXml(`${MEASURE_NAMES[measure]} on ${count(samples)} samples`)}</text>`,
      ...(points.length === 0 ? [] : plot(parts)),
      ...rows.map(({ sign, text }, index) => {
        const y = LEGEND_TOP + ROW * index;
        return `${sign(y)}<text x="62" y="${y + 5}">${escapeXml(text)}</text>`;
      }),
    ],
  };
}

function withInterval({ alpha, value }: PathFigure["points"][number], { measure, samples }: PathFigure): Point {
  const { low, high } =
    measure === "accuracy"
      ? accuracyInterval({ correct: Math.round(value * samples), count: samples })
      : { low: value, high: value };
  return { alpha, value, low, high };
}

interface Gap {
  readonly alpha: number;
  /** Of the straight line there. */
  readonly line: number;
  readonly value: number;
  /** At least 0. */
  readonly size: number;
}

/** Where the curve is farthest on the worse side of the straight line; undefined where an end is not known. */
function largestGap(points: readonly Point[], measure: Measure): Gap | undefined {
  const [first, last] = [points[0], points.at(-1)];
  if (first?.alpha !== 0 || last?.alpha !== 1) return undefined;
  let worst: Gap = { alpha: 0, line: first.value, value: first.value, size: 0 };
  for (const { alpha, value } of points) {
    const line = (1 - alpha) * first.value + alpha * last.value;
    const size = measure === "accuracy" ? line - value : value - line;
    if (size > worst.size) worst = { alpha, line, value, size };
  }
  return worst;
}

function plot({
  first,
  last,
  barrier,
  points,
  measure,
}: {
  first: PathFigure["points"][number] | undefined;
  last: PathFigure["points"][number] | undefined;
  barrier: Gap | undefined;
  points: readonly Point[];
  measure: Measure;
}): string[] {
  const scale = scaleOf(points, measure);
  const x = (alpha: number) => PLOT.left + alpha * (PLOT.right - PLOT.left);
  const y = (value: number) =>
    PLOT.bottom - ((value - scale.low) / (scale.high - scale.low)) * (PLOT.bottom - PLOT.top);
  const at = (alpha: number, value: number) => `${number(x(alpha))} ${number(y(value))}`;
  const trace = (list: readonly Point[], pick: (point: Point) => number) =>
    list.map((point) => at(point.alpha, pick(point))).join("L");
  const band =
    measure === "accuracy"
      ? [
          `<path class="band" d="M${trace(points, ({ high }) => high)}L${trace(points.toReversed(), ({ low }) => low)}Z"/>`,
        ]
      : [];
  const ends = [first, last].filter((end) => end !== undefined && Number.isFinite(end.value)) as Point[];
  return [
    ...scale.ticks.map(
      (tick) =>
        `<path class="grid" d="M${PLOT.left} ${number(y(tick))}H${PLOT.right}"/>` +
        `<text class="faint" x="${PLOT.left - 8}" y="${number(y(tick) + 5)}" text-anchor="end">` +
        `${measure === "accuracy" ? `${tickText(100 * tick, 100 * scale.step)}%` : tickText(tick, scale.step)}</text>`,
    ),
    ...["A", "0.25", "0.5", "0.75", "B"].map(
      (text, index) =>
        `<text${index % 4 === 0 ? "" : ' class="faint"'} x="${number(x(index / 4))}" y="${PLOT.bottom + 20}" ` +
        `text-anchor="middle">${text}</text>`,
    ),
    `<text class="faint" x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 42}" text-anchor="middle">share of B</text>`,
    ...band,
    barrier === undefined
      ? ""
      : `<path class="straight" d="M${ends.map((end) => at(end.alpha, end.value)).join("L")}"/>`,
    `<path class="curve" d="M${trace(points, ({ value }) => value)}"/>`,
    ...ends.map(({ alpha, value }) => `<circle class="dot" cx="${number(x(alpha))}" cy="${number(y(value))}" r="5"/>`),
    ...(barrier === undefined || isNothing(barrier, measure) ? [] : mark(barrier, measure, x, y)),
  ].filter((shape) => shape !== "");
}

/** The barrier: a line down (or up) to the curve, and its size on the side where the curve is not. */
function mark(
  { alpha, line, value, size }: Gap,
  measure: Measure,
  x: (alpha: number) => number,
  y: (value: number) => number,
): string[] {
  const text = measure === "accuracy" ? `${inPoints(size)} points` : sizeInWords(measure, size);
  const anchor = alpha < 0.15 ? "start" : alpha > 0.85 ? "end" : "middle";
  const label = y(line) + (measure === "accuracy" ? -10 : 22);
  return [
    `<path class="gap" d="M${number(x(alpha))} ${number(y(line))}V${number(y(value))}"/>`,
    `<text class="mark halo" x="${number(x(alpha))}" y="${number(label)}" text-anchor="${anchor}">${escapeXml(text)}</text>`,
  ];
}

/** Whether a barrier is nothing in the digits that are shown. */
function isNothing({ size }: Gap, measure: Measure): boolean {
  return measure === "accuracy" ? inPoints(size) === "0.0" : size === 0;
}

function scaleOf(points: readonly Point[], measure: Measure) {
  const lowest = Math.min(...points.map(({ low }) => low));
  const highest = Math.max(...points.map(({ high }) => high));
  // Where all is equal, a stretch around it.
  const least = measure === "accuracy" ? 0.01 : Math.max(Math.abs(highest) * 0.01, 1e-6);
  const span = Math.max(highest - lowest, least);
  const middle = (highest + lowest) / 2;
  const [bottom, top] = [Math.min(lowest, middle - span / 2), Math.max(highest, middle + span / 2)];
  const [below, above] = measure === "accuracy" ? [EDGE_ROOM, LABEL_ROOM] : [LABEL_ROOM, EDGE_ROOM];
  const scale = scaleBetween(bottom - below * span, top + above * span);
  const isPossible = (tick: number) => tick >= -1e-12 && (measure !== "accuracy" || tick <= 1 + 1e-12);
  return { ...scale, ticks: scale.ticks.filter(isPossible) };
}

interface LegendRow {
  readonly text: string;
  /** In the description, where the row is more than a key. */
  readonly said?: string;
  readonly sign: (y: number) => string;
}

function legend(
  { measure, parents, points, interval }: PathFigure,
  barrier: Gap | undefined,
  lost: number,
): LegendRow[] {
  const nothing = () => "";
  const stroke = (className: string) => (y: number) => `<path class="${className}" d="M16 ${y}H48"/>`;
  const letterAt = (text: string) => (y: number) => `<text x="32" y="${y + 5}" text-anchor="middle">${text}</text>`;
  const valueAt = (index: 0 | 1) => valueInWords(measure, points.at(index === 0 ? 0 : -1)?.value ?? Number.NaN);
  const parent = (index: 0 | 1): LegendRow => {
    const [sign, name] = [index === 0 ? "A" : "B", parents[index]];
    const text = `${shorten(name, 40)}: ${valueAt(index)}`;
    return { text, said: `${sign} ${text}`, sign: letterAt(sign) };
  };
  const isMarked = barrier !== undefined && !isNothing(barrier, measure);
  const found = barrier === undefined ? "barrier not known" : barrierText(barrier, measure, interval);
  const missing = `${lost} of ${points.length} points are not finite`;
  return [
    parent(0),
    parent(1),
    {
      text: measure === "accuracy" ? "between A and B; shaded: 95 % interval" : "between A and B",
      sign: (y) =>
        (measure === "accuracy" ? `<path class="band" d="M16 ${y - 7}H48V${y + 7}H16Z"/>` : "") + stroke("curve")(y),
    },
    { text: "straight line from A to B", sign: stroke("straight") },
    { text: found, said: found, sign: isMarked ? (y) => `<path class="gap" d="M32 ${y - 8}V${y + 8}"/>` : nothing },
    ...(lost === 0 ? [] : [{ text: missing, said: missing, sign: nothing }]),
  ];
}

function barrierText(barrier: Gap, measure: Measure, interval: PathFigure["interval"]): string {
  if (isNothing(barrier, measure)) return "no barrier";
  const where = `barrier ${sizeInWords(measure, barrier.size)} at ${Number(barrier.alpha.toFixed(2))}`;
  if (measure !== "accuracy" || interval === null || interval === undefined) return where;
  return `${where} (95 %: ${inPoints(interval.low)} to ${inPoints(interval.high)})`;
}

/** Where shapes may lie, for tests. */
export const PATH_PLOT = { ...PLOT, width: WIDTH };
