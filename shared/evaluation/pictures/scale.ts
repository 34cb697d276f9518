/** A stretch of values and the round ones in it that are named. */
export interface Scale {
  readonly low: number;
  readonly high: number;
  readonly step: number;
  readonly ticks: readonly number[];
}

/**
 * Round ticks, at most seven, on a stretch that is given.
 * @param low finite, below `high`
 */
export function scaleBetween(low: number, high: number): Scale {
  const step = roundStep((high - low) / 5);
  const [first, last] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
  const ticks = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => (first + index) * step);
  return { low, high, step, ticks };
}

/** The least of 1, 2, 5 times a power of ten that is at least `size`. */
function roundStep(size: number): number {
  const power = 10 ** Math.floor(Math.log10(size));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= size * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** A tick as text of at most seven characters, with as many digits as its step takes. */
export function tickText(value: number, step: number): string {
  if (value === 0 || Math.abs(value) < step / 2) return "0";
  const place = Math.floor(Math.log10(step) + 1e-9);
  if (Math.abs(value) >= 1e5 || place < -4) {
    const digits = Math.max(0, Math.floor(Math.log10(Math.abs(value)) + 1e-9) - place);
    return value.toExponential(Math.min(digits, 2)).replace("e+", "e");
  }
  return value.toFixed(Math.max(0, -place));
}
