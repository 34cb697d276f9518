/**
 * A weighted sum as the averaging kernels read it; `assembly/averaging/table.ts` has the layout.
 */
const HEADER_BYTES = 64;
const ENTRY_BYTES = 32;

export function weightTableBytes(inputs: number): number {
  return HEADER_BYTES + ENTRY_BYTES * inputs;
}

/**
 * Writes weights and block addresses.
 *
 * Where the result is divided by the weights' sum, all weights are first scaled by the power of two that brings the sum
 * into [1, 2). That changes no bit of the result but keeps products of extreme weights from overflowing.
 */
export function writeWeightTable(
  view: DataView,
  addresses: readonly number[],
  weights: readonly number[],
  normalize: boolean,
): void {
  const scaled = normalize ? scaleToUnitSum(weights) : weights;
  const [divisor, divisorLow] = normalize ? doubleDoubleSum(scaled) : [1, 0];
  const ordinary = scaled.every(
    (weight) => weight === 0 || (Math.abs(weight) > 2 ** -400 && Math.abs(weight) < 2 ** 90),
  );
  view.setFloat64(0, divisor, true);
  view.setFloat64(8, divisorLow, true);
  view.setInt32(16, addresses.length, true);
  view.setInt32(20, divisor !== 1 || divisorLow !== 0 ? 1 : 0, true);
  view.setInt32(24, ordinary ? 1 : 0, true);
  writeShortcut(view, scaled, divisor, ordinary);
  for (const [index, address] of addresses.entries()) {
    const weight = scaled[index] ?? 0;
    const high = splitHigh(weight);
    const entry = HEADER_BYTES + ENTRY_BYTES * index;
    view.setUint32(entry, address, true);
    view.setFloat32(entry + 4, weight / divisor, true);
    view.setFloat64(entry + 8, weight, true);
    view.setFloat64(entry + 16, high, true);
    view.setFloat64(entry + 24, weight - high, true);
  }
}

/** The kernels' bounds are shown for so many inputs; more take the long way. */
const MOST_INPUTS = 64;
const SHORTCUT = { none: 0, bounded: 1, exactScaled: 2, exactDivided: 3 } as const;

/** Decides how BF16 may be averaged without float64; `assembly/averaging/bfloat16.ts` says why that is right. */
function writeShortcut(view: DataView, weights: readonly number[], divisor: number, ordinary: boolean): void {
  const inputs = weights.length;
  const [first = 0] = weights;
  const share = divisor / first;
  // Equal powers of two, and a divisor that makes each weight 1 / n, or 1 where there is none.
  const equal = weights.every((weight) => weight === first) && isPowerOfTwo(first) && (share === inputs || share === 1);
  const sum = weights.reduce((total, weight) => total + Math.abs(weight / divisor), 0);
  let shortcut: number = SHORTCUT.none;
  if (inputs > MOST_INPUTS || !ordinary) shortcut = SHORTCUT.none;
  else if (equal) shortcut = isPowerOfTwo(share) ? SHORTCUT.exactScaled : SHORTCUT.exactDivided;
  else if (sum >= 1 / 16 && sum <= 16) shortcut = SHORTCUT.bounded;
  view.setInt32(28, shortcut, true);
  view.setFloat32(32, (inputs + 2) * 2 ** -23 * sum, true);
  view.setFloat32(36, 1 / share, true);
  view.setFloat32(40, share, true);
  // Multiples of 2^-7 of the least power of two, summed up to less than 2 n of the largest: 24 bits hold that.
  view.setInt32(44, 128 * (16 - Math.ceil(Math.log2(inputs))), true);
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && 2 ** Math.round(Math.log2(value)) === value;
}

/** Scales weights by a power of two, in steps that are exact powers themselves, so that they sum to [1, 2). */
function scaleToUnitSum(weights: readonly number[]): readonly number[] {
  let scaled = weights;
  for (;;) {
    const sum = scaled.reduce((total, weight) => total + weight, 0);
    if (!(sum > 0) || !Number.isFinite(sum) || (sum >= 1 && sum < 2)) return scaled;
    const exponent = sum < 1 ? Math.max(1, Math.floor(-Math.log2(sum))) : -Math.max(1, Math.floor(Math.log2(sum)));
    const factor = 2 ** Math.min(512, Math.max(-512, exponent));
    scaled = scaled.map((weight) => weight * factor);
  }
}

/** The upper half of a float64 by Veltkamp's splitting; the weight itself where that would overflow. */
function splitHigh(value: number): number {
  const shifted = 134217729 * value;
  return Number.isFinite(shifted) ? shifted - (shifted - value) : value;
}

/** The sum as float64, and what float64 rounds away of it. */
function doubleDoubleSum(values: readonly number[]): [high: number, low: number] {
  let high = 0;
  let low = 0;
  for (const value of values) {
    const sum = high + value;
    const part = sum - high;
    low += high - (sum - part) + (value - part);
    high = sum;
  }
  return [high, low];
}
