import type { Weights } from "../../../shared/models/index.ts";
import type { Values } from "./operations.ts";

/** Float32 weights as the reference takes them; a copy. */
export function asReference(weights: Weights): Map<string, Values> {
  return new Map(
    Array.from(weights, ([name, { shape, values }]) => [name, { shape, data: Float64Array.from(values) }]),
  );
}

/** The largest difference, relative to the larger of 1 and the largest expected magnitude; NaN where anything is NaN. */
export function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) throw new RangeError(`${actual.length} values, not ${expected.length}`);
  const scale = Array.from(expected).reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
  return Array.from(actual).reduce(
    (largest, value, index) => Math.max(largest, Math.abs(value - (expected[index] ?? Number.NaN)) / scale),
    0,
  );
}
