import { escapeXml, svgNumber as number } from "../chart-style.ts";
import { RAMP_STEPS } from "./palette.ts";

/** Shares a stretch of values out to the steps of the ramp. */
export interface Ramp {
  /** Value of the palest step's far side, and of the strongest one's. */
  readonly from: number;
  readonly to: number;
  stepOf(value: number): number;
}

/**
 * @param from what is drawn palest; may be above `to`
 */
export function rampBetween(from: number, to: number): Ramp {
  return {
    from,
    to,
    stepOf: (value) => {
      if (from === to || !Number.isFinite(value)) return value === from ? 0 : RAMP_STEPS - 1;
      const step = Math.floor(((value - from) / (to - from)) * RAMP_STEPS);
      return Math.max(0, Math.min(RAMP_STEPS - 1, step));
    },
  };
}

/**
 * The key of a ramp: its steps side by side, and what the two ends are.
 * @param words of a value
 */
export function rampKey(
  ramp: Ramp,
  words: (value: number) => string,
  box: { x: number; y: number; width: number },
): string {
  const { x, y, width } = box;
  const size = width / RAMP_STEPS;
  const swatches = Array.from(
    { length: RAMP_STEPS },
    (_, step) =>
      `<path class="step h${step}" d="M${number(x + step * size)} ${y}h${number(size)}v14h${number(-size)}Z"/>`,
  );
  return [
    ...swatches,
    `<path class="frame" d="M${x} ${y}h${width}v14h${-width}Z"/>`,
    `<text x="${x}" y="${y + 32}">${escapeXml(words(ramp.from))}</text>`,
    `<text x="${x + width}" y="${y + 32}" text-anchor="end">${escapeXml(words(ramp.to))}</text>`,
  ].join("");
}
