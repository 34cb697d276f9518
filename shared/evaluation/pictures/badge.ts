import { escapeXml, svgNumber as number } from "../chart-style.ts";
import { BADGE_COLOURS, BADGE_INK } from "./palette.ts";
import { type Measure, points as inPoints, threeDigits } from "./words.ts";

/** How good a barrier is, at a glance. */
export type Grade = "good" | "fair" | "poor" | "neutral";

/** Up to so many points of accuracy, a barrier is good: what two trainings from other seeds differ by anyway. */
export const GOOD_ACCURACY_BARRIER = 0.01;
/** Up to so many points, it is fair; beyond them the models do not average. */
export const FAIR_ACCURACY_BARRIER = 0.05;
/** The same in nats. */
export const GOOD_LOSS_BARRIER = 0.05;
export const FAIR_LOSS_BARRIER = 0.25;

/**
 * Grades a barrier by its size as it is shown: "1.0 pt" is good, whatever its further digits. A squared error depends on
 * the unit of what is predicted, so it has no grade.
 */
export function gradeOf(measure: Measure, barrier: number): Grade {
  if (!Number.isFinite(barrier)) return "poor";
  switch (measure) {
    case "accuracy":
      return grade(Math.round(1000 * barrier) / 1000, GOOD_ACCURACY_BARRIER, FAIR_ACCURACY_BARRIER);
    case "loss":
      return grade(barrier, GOOD_LOSS_BARRIER, FAIR_LOSS_BARRIER);
    case "squared-error":
      return "neutral";
    default:
      return measure satisfies never;
  }
}

function grade(barrier: number, good: number, fair: number): Grade {
  if (barrier <= good) return "good";
  return barrier <= fair ? "fair" : "poor";
}

export interface BadgeFigure {
  readonly measure: Measure;
  /** In the unit of the measure; what is below 0 is no barrier. */
  readonly barrier: number;
  /** Of a gate: goes before the grade. */
  readonly verdict?: "passed" | "refused" | undefined;
}

/** Signs that tell grades apart without colours: a check, a line, a cross. In a box of 10 by 10. */
const SIGNS: Readonly<Record<Grade, string>> = {
  good: "M1 5.5L4 8.5L9 2",
  fair: "M1.5 5H8.5",
  poor: "M2 2L8 8M8 2L2 8",
  neutral: "",
};

const HEIGHT = 20;
const PADDING = 7;
const SIGN_WIDTH = 15;

/** A small picture for a README: "barrier 0.3 pt", green, amber or red, with a sign that needs no colours. */
export function badge(figure: BadgeFigure): string {
  const label = "barrier";
  const value = badgeValue(figure);
  const shown =
    figure.verdict === undefined ? gradeOf(figure.measure, figure.barrier) : GRADE_OF_VERDICT[figure.verdict];
  const sign = SIGNS[shown] === "" ? 0 : SIGN_WIDTH;
  const labelWidth = textWidth(label) + 2 * PADDING;
  const valueWidth = textWidth(value) + 2 * PADDING + sign;
  const width = labelWidth + valueWidth;
  const said = [`${label} ${value}`, ...(figure.verdict === undefined ? [] : [`gate ${figure.verdict}`])].join(", ");
  const write = (text: string, x: number) =>
    `<text x="${number(x)}" y="14" textLength="${number(textWidth(text))}">${escapeXml(text)}</text>`;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${number(width)}" height="${HEIGHT}" ` +
      `viewBox="0 0 ${number(width)} ${HEIGHT}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escapeXml(said)}</title>`,
    `<desc id="description">${escapeXml(DESCRIPTIONS[shown])}</desc>`,
    `<style>text{font:11px Verdana,"DejaVu Sans",sans-serif;fill:${BADGE_INK}}</style>`,
    `<clipPath id="round"><rect width="${number(width)}" height="${HEIGHT}" rx="3"/></clipPath>`,
    '<g clip-path="url(#round)">',
    `<rect width="${number(labelWidth)}" height="${HEIGHT}" fill="${BADGE_COLOURS.label}"/>`,
    `<rect x="${number(labelWidth)}" width="${number(valueWidth)}" height="${HEIGHT}" fill="${BADGE_COLOURS[shown]}"/>`,
    "</g>",
    write(label, PADDING),
    ...(sign === 0
      ? []
      : [
          `<path transform="translate(${number(labelWidth + PADDING)} 5)" d="${SIGNS[shown]}" fill="none" ` +
            `stroke="${BADGE_INK}" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/>`,
        ]),
    write(value, labelWidth + PADDING + sign),
    "</svg>",
  ].join("\n")}\n`;
}

const GRADE_OF_VERDICT = { passed: "good", refused: "poor" } as const;

const DESCRIPTIONS: Readonly<Record<Grade, string>> = {
  good: "The models average well.",
  fair: "The models average with a loss.",
  poor: "The models do not average.",
  neutral: "In the unit of what is predicted.",
};

/** What stands on the badge's right: "0.3 pt", "0.012 nats", "none". */
function badgeValue({ measure, barrier }: BadgeFigure): string {
  if (!Number.isFinite(barrier)) return "not finite";
  const size = Math.max(0, barrier);
  switch (measure) {
    case "accuracy":
      return `${inPoints(size)} pt`;
    case "loss":
      return `${threeDigits(size)} nats`;
    case "squared-error":
      return `${threeDigits(size)} mse`;
    default:
      return measure satisfies never;
  }
}

/** Advance widths of Verdana at 11 px. What is drawn is set to these, so another font fits as well. */
const WIDTHS: Readonly<Record<string, number>> = {
  ...{ " ": 3.9, ".": 4, "-": 5, "+": 9, a: 6.6, b: 6.9, c: 5.7, d: 6.9, e: 6.6, f: 3.9, g: 6.9, h: 7, i: 3 },
  ...{ j: 3.8, k: 6.5, l: 3, m: 10.7, n: 7, o: 6.7, p: 6.9, q: 6.9, r: 4.7, s: 5.7, t: 4.3, u: 7, v: 6.5, w: 9 },
  ...{ x: 6.5, y: 6.5, z: 5.8 },
};
const DIGIT_WIDTH = 7;

function textWidth(text: string): number {
  return Array.from(text).reduce((width, character) => width + (WIDTHS[character] ?? DIGIT_WIDTH), 0);
}
