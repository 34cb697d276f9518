import type { MergedRow } from "../../shared/kernels/combining.ts";

/** The combining kernels as plain loops: what they return, bit for bit. */

const SINGLE = new Float32Array(1);
const BITS = new Uint32Array(SINGLE.buffer);

/** Magnitude as float32, by its bits. */
export function keyOf(value: number): number {
  SINGLE[0] = value;
  return (BITS[0] ?? 0) & 0x7fffffff;
}

/** Σ a·b in four interleaved sums. */
export function dotOracle(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const sums = [0, 0, 0, 0];
  const whole = a.length - (a.length % 4);
  for (let at = 0; at < a.length; at++) {
    const lane = at < whole ? at % 4 : 0;
    sums[lane] = (sums[lane] ?? 0) + (a[at] ?? 0) * (b[at] ?? 0);
  }
  const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = sums;
  return s0 + s1 + (s2 + s3);
}

/** Weighted sums with an election of signs where `negligible` is given, else with a divisor. */
export function mergeOracle(
  rows: readonly (Omit<MergedRow, "address" | "mask"> & {
    readonly values: ArrayLike<number>;
    readonly mask?: ArrayLike<number> | undefined;
  })[],
  base: ArrayLike<number>,
  lambda: number,
  { divisor = 1, negligible }: { readonly divisor?: number; readonly negligible?: number },
): Float64Array {
  return Float64Array.from(base, (from, at) => {
    const parts = rows.map(({ values, mask, factor, low, high }) => {
      const delta = (values[at] ?? 0) - from;
      const key = keyOf(delta);
      return key >= low && key <= high && mask?.[at] !== 0 ? factor * delta : 0;
    });
    let sum = 0;
    for (const part of parts) sum += part;
    let under = divisor;
    if (negligible !== undefined && sum === sum) {
      const positive = sum >= 0;
      let agreeing = 0;
      sum = 0;
      for (const [input, part] of parts.entries()) {
        if (!(positive ? part > 0 : part < 0)) continue;
        sum += part;
        agreeing += rows[input]?.weight ?? 0;
      }
      under = Math.abs(agreeing) >= negligible ? agreeing : 1;
    }
    return sum === 0 ? from : from + (lambda * sum) / under;
  });
}

/** Key and last index of the `rank` largest magnitudes, equal ones in order of their index; by sorting. */
export function cutOracle(values: ArrayLike<number>, rank: number): { key: number; indices: Set<number> } {
  const keys = Array.from(values, keyOf);
  const order = keys.map((_, index) => index).sort((a, b) => (keys[b] ?? 0) - (keys[a] ?? 0) || a - b);
  return { key: keys[order[rank - 1] ?? 0] ?? -1, indices: new Set(order.slice(0, rank)) };
}
