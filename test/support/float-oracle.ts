/**
 * Independent float arithmetic for tests: exact rationals in BigInt, and one rounding to any IEEE-like format. Shares no
 * code and no trick with the kernels.
 */

export type FloatName = "F8_E4M3" | "F8_E5M2" | "F16" | "BF16" | "F32" | "F64";

/** Fraction bits and smallest normal exponent. */
const FORMATS = {
  F8_E4M3: { bytes: 1, fraction: 3, exponentBits: 4 },
  F8_E5M2: { bytes: 1, fraction: 2, exponentBits: 5 },
  F16: { bytes: 2, fraction: 10, exponentBits: 5 },
  BF16: { bytes: 2, fraction: 7, exponentBits: 8 },
  F32: { bytes: 4, fraction: 23, exponentBits: 8 },
  F64: { bytes: 8, fraction: 52, exponentBits: 11 },
} as const satisfies Record<FloatName, { bytes: number; fraction: number; exponentBits: number }>;

export const FLOAT_NAMES = Object.keys(FORMATS) as FloatName[];

export function floatBytes(name: FloatName): number {
  return FORMATS[name].bytes;
}

/** E4M3 (OCP): no infinity, the topmost exponent holds numbers too, and only its last pattern is NaN. */
function isFiniteOnly(name: FloatName): boolean {
  return name === "F8_E4M3";
}

/** Magnitude bits of infinity; of NaN where there is no infinity. */
function infinityBits(name: FloatName): bigint {
  const { fraction, exponentBits } = FORMATS[name];
  return isFiniteOnly(name) ? 0x7fn : ((1n << BigInt(exponentBits)) - 1n) << BigInt(fraction);
}

export interface Rational {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** Value of a bit pattern; exact. */
export function valueOfBits(name: FloatName, bits: bigint): number {
  const { bytes, fraction, exponentBits } = FORMATS[name];
  const sign = bits >> BigInt(bytes * 8 - 1) ? -1 : 1;
  const exponent = Number((bits >> BigInt(fraction)) & ((1n << BigInt(exponentBits)) - 1n));
  const significand = Number(bits & ((1n << BigInt(fraction)) - 1n));
  const bias = 2 ** (exponentBits - 1) - 1;
  if (isFiniteOnly(name) && (bits & 0x7fn) === 0x7fn) return Number.NaN;
  if (!isFiniteOnly(name) && exponent === 2 ** exponentBits - 1) {
    return significand === 0 ? sign * Infinity : Number.NaN;
  }
  if (exponent === 0) return sign * significand * 2 ** (1 - bias - fraction);
  return sign * (1 + significand / 2 ** fraction) * 2 ** (exponent - bias);
}

/** A finite float64 as a fraction; exact. */
export function rationalOf(value: number): Rational {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const field = Number((bits >> 52n) & 0x7ffn);
  const stored = bits & 0xfffffffffffffn;
  const significand = field === 0 ? stored : stored | (1n << 52n);
  const exponent = (field === 0 ? 1 : field) - 1075;
  const signed = bits >> 63n ? -significand : significand;
  return exponent >= 0
    ? { numerator: signed << BigInt(exponent), denominator: 1n }
    : { numerator: signed, denominator: 1n << BigInt(-exponent) };
}

/** Bits of a fraction rounded once, to nearest even; `negativeZero` says which zero an exact zero is. */
export function roundRational(name: FloatName, { numerator, denominator }: Rational, negativeZero = false): bigint {
  const { bytes, fraction, exponentBits } = FORMATS[name];
  const bias = 2 ** (exponentBits - 1) - 1;
  const negative = numerator < 0n || (numerator === 0n && negativeZero);
  const sign = negative ? 1n << BigInt(bytes * 8 - 1) : 0n;
  const magnitude = numerator < 0n ? -numerator : numerator;
  if (magnitude === 0n) return sign;
  let exponent = magnitude.toString(2).length - denominator.toString(2).length;
  const [top, bottom] =
    exponent >= 0 ? [magnitude, denominator << BigInt(exponent)] : [magnitude << BigInt(-exponent), denominator];
  if (top < bottom) exponent--;
  const grid = Math.max(exponent, 1 - bias) - fraction;
  const scaled = grid >= 0 ? magnitude : magnitude << BigInt(-grid);
  const divisor = grid >= 0 ? denominator << BigInt(grid) : denominator;
  let steps = scaled / divisor;
  const twice = 2n * (scaled % divisor);
  if (twice > divisor || (twice === divisor && steps & 1n)) steps++;
  const field = BigInt(grid + fraction + bias - 1);
  const bits = (field << BigInt(fraction)) + steps;
  const infinity = infinityBits(name);
  return sign | (bits > infinity ? infinity : bits);
}

/** Bits of a float64 rounded once to the format; NaN gives the format's quiet NaN. */
export function roundFloat(name: FloatName, value: number): bigint {
  const { bytes, fraction } = FORMATS[name];
  const infinity = infinityBits(name);
  if (Number.isNaN(value)) return infinity | (1n << BigInt(fraction - 1));
  if (!Number.isFinite(value)) return infinity | (value < 0 ? 1n << BigInt(bytes * 8 - 1) : 0n);
  return roundRational(name, rationalOf(value), Object.is(value, -0));
}

/** (Σ w·x) / Σ w by fractions, rounded once. */
export function exactAverage(name: FloatName, values: readonly number[], weights: readonly number[]): bigint {
  let sum: Rational = { numerator: 0n, denominator: 1n };
  let total: Rational = { numerator: 0n, denominator: 1n };
  for (const [index, value] of values.entries()) {
    const weight = rationalOf(weights[index] ?? 0);
    const x = rationalOf(value);
    sum = add(sum, { numerator: weight.numerator * x.numerator, denominator: weight.denominator * x.denominator });
    total = add(total, weight);
  }
  const quotient = { numerator: sum.numerator * total.denominator, denominator: sum.denominator * total.numerator };
  const negativeZero = values.every((value) => Object.is(Math.sign(value), -0) || value < 0);
  return roundRational(name, quotient, negativeZero);
}

function add(a: Rational, b: Rational): Rational {
  return {
    numerator: a.numerator * b.denominator + b.numerator * a.denominator,
    denominator: a.denominator * b.denominator,
  };
}

/** (Σ w·x) / Σ w in float64, in order, rounded once. The definition for inputs of at most 32 bits. */
export function float64Average(
  name: FloatName,
  values: readonly number[],
  weights: readonly number[],
  normalize = true,
): bigint {
  let sum = (weights[0] ?? 0) * (values[0] ?? 0);
  let total = weights[0] ?? 0;
  for (let index = 1; index < values.length; index++) {
    sum += (weights[index] ?? 0) * (values[index] ?? 0);
    total += weights[index] ?? 0;
  }
  return roundFloat(name, normalize ? sum / total : sum);
}
