/** Numbers in words, as pictures and badges say them. Without a locale, so that equal input gives equal text. */

/** What a picture measures. Accuracies are fractions, losses nats or mean squared errors. */
export type Measure = "accuracy" | "loss" | "squared-error";

export const MEASURE_NAMES: Readonly<Record<Measure, string>> = {
  accuracy: "accuracy",
  loss: "loss in nats",
  "squared-error": "mean squared error",
};

/** "96.1 %" of a fraction. */
export function percent(fraction: number): string {
  return Number.isFinite(fraction) ? `${withoutMinusZero((100 * fraction).toFixed(1))} %` : "not finite";
}

/** "12.3" of a fraction: points of accuracy, one per cent each. */
export function points(fraction: number): string {
  return withoutMinusZero((100 * fraction).toFixed(1));
}

/** Three significant digits, never in exponential form where that can be read: "0.0123", "1.23", "123". */
export function threeDigits(value: number): string {
  if (!Number.isFinite(value)) return "not finite";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 5e-5 || size >= 1e6) return value.toExponential(1);
  const decimals = Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(size))));
  return withoutMinusZero(value.toFixed(decimals));
}

/** A value of a measure: "96.1 %", "0.123". */
export function valueInWords(measure: Measure, value: number): string {
  return measure === "accuracy" ? percent(value) : threeDigits(value);
}

/** The size of a barrier: "12.3 points", "0.123 nats", "0.123". */
export function sizeInWords(measure: Measure, size: number): string {
  if (!Number.isFinite(size)) return "not finite";
  switch (measure) {
    case "accuracy":
      return `${points(size)} points`;
    case "loss":
      return `${threeDigits(size)} nats`;
    case "squared-error":
      return threeDigits(size);
    default:
      return measure satisfies never;
  }
}

/** Thin thousands: "2 000". */
export function count(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, " ");
}

/** A name that fits: its middle is left out where it is longer than `most` characters. */
export function shorten(name: string, most: number): string {
  const characters = Array.from(name);
  if (characters.length <= most) return name;
  const end = Math.floor((most - 1) / 2);
  return `${characters.slice(0, most - 1 - end).join("")}…${characters.slice(characters.length - end).join("")}`;
}

/** A, B, … Z, AA, … */
export function letter(index: number): string {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : letter(Math.floor(index / 26) - 1) + last;
}

function withoutMinusZero(text: string): string {
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text;
}
