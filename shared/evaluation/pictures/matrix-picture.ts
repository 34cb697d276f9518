import { escapeXml, svgNumber as number } from "../chart-style.ts";
import type { Picture } from "./picture.ts";
import { rampBetween, rampKey } from "./ramp.ts";
import {
  count,
  letter,
  type Measure,
  MEASURE_NAMES,
  points as inPoints,
  shorten,
  sizeInWords,
  threeDigits,
  valueInWords,
} from "./words.ts";

/** The barrier between each two of several models. */
export interface MatrixFigure {
  readonly title: string;
  readonly measure: Measure;
  readonly samples: number;
  /** Each model's name, and what was measured of it. */
  readonly models: readonly { readonly name: string; readonly value: number }[];
  /** Barriers by two indices into `models`, in the unit of the measure. */
  readonly pairs: readonly { readonly a: number; readonly b: number; readonly barrier: number }[];
  /** The barrier around the mean of all, where it was measured. */
  readonly mean?: { readonly value: number; readonly barrier: number } | undefined;
}

const GRID = { left: 52, top: 98, most: 400, cell: 64 };
const ROW = 22;
/** So many models have numbers in their cells that are legible at 400 px. */
const MOST_WITH_NUMBERS = 8;

/** A grid of barriers, letters for names, numbers where they are legible, and a list of the models. */
export function matrixPicture({ title, measure, samples, models, pairs, mean }: MatrixFigure): Picture {
  const size = Math.min(GRID.cell, Math.floor(GRID.most / Math.max(models.length, 1)));
  const side = size * models.length;
  const largest = Math.max(0, ...pairs.map(({ barrier }) => barrier).filter(Number.isFinite));
  const ramp = rampBetween(0, largest);
  const at = (index: number) => GRID.left + index * size;
  const top = (index: number) => GRID.top + index * size;
  const cell = ({ a, b, barrier }: MatrixFigure["pairs"][number]) => {
    const step = ramp.stepOf(Math.max(0, barrier));
    const text = models.length > MOST_WITH_NUMBERS ? "" : numberIn(measure, barrier);
    return (
      `<path class="step h${step}" d="M${at(b)} ${top(a)}h${size}v${size}h${-size}Z"/>` +
      (text === ""
        ? ""
        : `<text class="t${step}" x="${at(b) + size / 2}" y="${top(a) + size / 2 + 5}" text-anchor="middle">${escapeXml(text)}</text>`)
    );
  };
  const keyTop = GRID.top + side + 24;
  const listTop = keyTop + 64;
  const columns = models.length > 8 ? 2 : 1;
  const rows = Math.ceil(models.length / columns);
  const worst = pairs.reduce<MatrixFigure["pairs"][number] | undefined>(
    (found, pair) => (found === undefined || pair.barrier > found.barrier ? pair : found),
    undefined,
  );
  const meanText =
    mean === undefined
      ? undefined
      : `mean of all: ${valueInWords(measure, mean.value)}, barrier ${sizeInWords(measure, mean.barrier)}`;
  const worstText =
    worst === undefined
      ? undefined
      : `largest barrier ${sizeInWords(measure, worst.barrier)}, between ${letter(worst.a)} and ${letter(worst.b)}`;
  const names = models.map(({ name, value }, index) => ({
    letter: letter(index),
    name,
    value: valueInWords(measure, value),
  }));
  const lines = [worstText, meanText].filter((line) => line !== undefined);
  return {
    title,
    description: [
      `Barrier in ${measure === "accuracy" ? "points of accuracy" : MEASURE_NAMES[measure]} between each two of ` +
        `${models.length} models on ${count(samples)} samples`,
      ...lines,
      ...names.map((one) => `${one.letter}: ${one.name}, ${one.value}`),
    ].join("; "),
    height: listTop + ROW * (rows + lines.length) + 8,
    shapes: [
      `<text class="heading" x="16" y="30">${escapeXml(shorten(title, 46))}</text>`,
      `<text class="faint" x="16" y="52">${escapeXml(`barrier in ${unit(measure)} on ${count(samples)} samples`)}</text>`,
      ...names.map(
        (one, index) =>
          `<text class="faint" x="${at(index) + size / 2}" y="${GRID.top - 9}" text-anchor="middle">${one.letter}</text>` +
          `<text class="faint" x="${GRID.left - 12}" y="${number(top(index) + size / 2 + 5)}" text-anchor="end">${one.letter}</text>`,
      ),
      ...pairs.flatMap((pair) => [cell(pair), cell({ ...pair, a: pair.b, b: pair.a })]),
      ...models.map((_, index) => `<path class="grid" d="M${at(index)} ${top(index)}l${size} ${size}"/>`),
      `<path class="frame" d="M${GRID.left} ${GRID.top}h${side}v${side}h${-side}Z"/>`,
      rampKey(ramp, (value) => sizeInWords(measure, value), { x: GRID.left, y: keyTop, width: 252 }),
      ...names.map(({ letter: sign, name, value }, index) => {
        const x = index < rows ? 16 : 252;
        const y = listTop + ROW * (index % rows) + 12;
        return (
          `<text class="faint" x="${x}" y="${y}">${sign}</text>` +
          `<text x="${x + 24}" y="${y}">${escapeXml(`${shorten(name, columns === 1 ? 34 : 16)} ${value}`)}</text>`
        );
      }),
      ...lines.map(
        (line, index) => `<text x="16" y="${listTop + ROW * (rows + index) + 16}">${escapeXml(line)}</text>`,
      ),
    ],
  };
}

function numberIn(measure: Measure, barrier: number): string {
  if (!Number.isFinite(barrier)) return "–";
  return measure === "accuracy" ? inPoints(barrier) : threeDigits(barrier);
}

function unit(measure: Measure): string {
  return measure === "accuracy" ? "points of accuracy" : MEASURE_NAMES[measure];
}
