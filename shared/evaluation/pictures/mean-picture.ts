import { escapeXml, svgNumber as number } from "../chart-style.ts";
import { accuracyInterval } from "../intervals.ts";
import type { Picture } from "./picture.ts";
import { scaleBetween, tickText } from "./scale.ts";
import {
  count,
  letter,
  type Measure,
  MEASURE_NAMES,
  points as inPoints,
  shorten,
  sizeInWords,
  valueInWords,
} from "./words.ts";

/** Several models, and the model that is their mean. */
export interface MeanFigure {
  readonly title: string;
  readonly measure: Measure;
  readonly samples: number;
  readonly models: readonly { readonly name: string; readonly value: number }[];
  /** What was measured of the mean. */
  readonly mean: number;
  /** 95 % confidence interval of the accuracy barrier, where it is known. */
  readonly interval?: { readonly low: number; readonly high: number } | null | undefined;
}

const PLOT = { left: 66, right: 456, top: 76 };
const ROW = 24;

/** A row a model: its value with its 95 % interval; the line where their mean value is; and the mean model's gap to it. */
export function meanPicture({ title, measure, samples, models, mean, interval }: MeanFigure): Picture {
  const values = models.map(({ value }) => value);
  const average = values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
  const barrier = measure === "accuracy" ? average - mean : mean - average;
  const rows = [...models.map(({ value }, index) => ({ sign: letter(index), value })), { sign: "mean", value: mean }];
  const spans = rows.map(({ value }) =>
    measure === "accuracy"
      ? accuracyInterval({ correct: Math.round(value * samples), count: samples })
      : { low: value, high: value },
  );
  const known = spans.flatMap(({ low, high }) => [low, high]).filter(Number.isFinite);
  const bottom = PLOT.top + ROW * rows.length + 10;
  const listTop = bottom + 54;
  const names = models.map(
    (model, index) => `${letter(index)}: ${shorten(model.name, 40)}, ${valueInWords(measure, model.value)}`,
  );
  const words = [
    `mean model: ${valueInWords(measure, mean)}; dashed: the models' mean, ${valueInWords(measure, average)}`,
    barrierText(measure, barrier, interval),
  ];
  return {
    title,
    description: [`${MEASURE_NAMES[measure]} on ${count(samples)} samples`, ...names, ...words].join("; "),
    height: listTop + 22 * (names.length + words.length),
    shapes: [
      `<text class="heading" x="16" y="30">${escapeXml(shorten(title, 46))}</text>`,
      `<text class="faint" x="16" y="52">${escapeXml(`${MEASURE_NAMES[measure]} on ${count(samples)} samples`)}</text>`,
      ...(known.length === 0 ? [] : plot()),
      ...[...names, ...words].map(
        (line, index) => `<text x="16" y="${listTop + 22 * index}">${escapeXml(line)}</text>`,
      ),
    ],
  };

  function plot(): string[] {
    const [lowest, highest] = [Math.min(...known), Math.max(...known)];
    const room = Math.max((highest - lowest) * 0.05, Math.abs(highest) * 0.005, 1e-6);
    const scale = scaleBetween(lowest - room, highest + room);
    const x = (value: number) =>
      number(PLOT.left + ((value - scale.low) / (scale.high - scale.low)) * (PLOT.right - PLOT.left));
    const y = (row: number) => PLOT.top + ROW * (row + 0.5);
    const last = rows.length - 1;
    const isDrawn = Number.isFinite(average) && Number.isFinite(mean);
    return [
      ...scale.ticks.map(
        (tick) =>
          `<path class="grid" d="M${x(tick)} ${PLOT.top}V${bottom}"/>` +
          `<text class="faint" x="${x(tick)}" y="${bottom + 20}" text-anchor="middle">` +
          `${measure === "accuracy" ? `${tickText(100 * tick, 100 * scale.step)}%` : tickText(tick, scale.step)}</text>`,
      ),
      isDrawn ? `<path class="straight" d="M${x(average)} ${PLOT.top}V${bottom}"/>` : "",
      isDrawn && barrier > 0 ? `<path class="gap" d="M${x(average)} ${y(last) + 9}H${x(mean)}"/>` : "",
      ...rows.flatMap(({ sign, value }, row) => {
        const span = spans[row];
        const label = `<text x="16" y="${y(row) + 5}"${sign === "mean" ? "" : ' class="faint"'}>${sign}</text>`;
        if (span === undefined || !Number.isFinite(value)) return [label];
        return [
          label,
          `<path class="curve" d="M${x(span.low)} ${y(row)}H${x(span.high)}"/>`,
          `<circle class="${sign === "mean" ? "marker" : "dot"}" cx="${x(value)}" cy="${y(row)}" r="5"/>`,
        ];
      }),
    ].filter((shape) => shape !== "");
  }
}

function barrierText(measure: Measure, barrier: number, interval: MeanFigure["interval"]): string {
  const isNothing = measure === "accuracy" ? Number(inPoints(barrier)) <= 0 : barrier <= 0;
  if (isNothing) return `no barrier: the mean is ${barrier < 0 ? "better than" : "as good as"} its models on average`;
  const size = `barrier ${sizeInWords(measure, barrier)}`;
  if (measure !== "accuracy" || interval === null || interval === undefined) return size;
  return `${size} (95 %: ${inPoints(interval.low)} to ${inPoints(interval.high)})`;
}
