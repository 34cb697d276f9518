import { divides, divisorLowOf, divisorOf, ENTRY, firstEntry, lastEntry } from "./table";

/**
 * One F64 element whose average would overflow or underflow on the way: inputs and weights are scaled by powers of two so
 * that the largest of each lies in [1, 2), and the result is scaled back with one rounding, subnormals included.
 * @param odd round to odd, because the caller rounds once more to a narrower format
 */
export function averageExtreme(table: usize, index: i32, odd: bool): f64 {
  const start = firstEntry(table);
  const end = lastEntry(table);
  const offset = (<usize>index) << 3;
  let largest: f64 = 0;
  let largestWeight: f64 = 0;
  let finite = true;
  let negative = true;
  let plain: f64 = 0;
  for (let entry = start; entry < end; entry += ENTRY) {
    const x = load<f64>(<usize>load<u32>(entry) + offset);
    const weight = load<f64>(entry, 8);
    const product = weight * x;
    plain = entry == start ? product : plain + product;
    negative = negative && reinterpret<i64>(product) < 0;
    finite = finite && abs(x) < Infinity;
    largest = max(largest, abs(x));
    largestWeight = max(largestWeight, abs(weight));
  }
  if (!finite || largest == 0 || largestWeight == 0) return plain;

  const valueExponent = exponentOf(largest);
  const weightExponent = exponentOf(largestWeight);
  let high: f64 = 0;
  let low: f64 = 0;
  for (let entry = start; entry < end; entry += ENTRY) {
    const x = scaleBy(load<f64>(<usize>load<u32>(entry) + offset), -valueExponent);
    const weight = scaleBy(load<f64>(entry, 8), -weightExponent);
    const product = weight * x;
    const sum = high + product;
    const part = sum - high;
    const carry = high - (sum - part) + (product - part) + (low + productError(weight, x, product));
    high = sum + carry;
    low = carry - (high - sum);
  }
  if (high == 0) return negative ? -0.0 : 0.0;
  let exponent = valueExponent + weightExponent;
  if (divides(table)) {
    const whole = scaleBy(divisorOf(table), -weightExponent);
    const quotient = high / whole;
    const back = quotient * whole;
    const error = productError(quotient, whole, back);
    const remainder = high - back - error + low - quotient * scaleBy(divisorLowOf(table), -weightExponent);
    const correction = remainder / whole;
    high = quotient + correction;
    low = correction - (high - quotient);
    exponent = valueExponent;
  }
  return scaleBack(high, low, exponent, odd);
}

/** (high + low) * 2^exponent as one float64, rounded once. */
function scaleBack(high: f64, low: f64, exponent: i32, odd: bool): f64 {
  if (exponentOf(abs(high)) + exponent >= -1022) return scaleBy(odd ? roundToOdd(high, low) : high, exponent);
  const sign = reinterpret<u64>(high) & 0x8000000000000000;
  // Every narrower format rounds a number this small to zero; it only has to stay different from zero.
  if (odd) return reinterpret<f64>(sign | 1);
  const grid = -1074 - exponent;
  if (grid > 900) return reinterpret<f64>(sign);
  const step = powerOfTwo(grid);
  const magnitude = abs(high);
  const rest = sign ? -low : low;
  const magic = 6755399441055744.0 * step; // 1.5 * 2^52 steps: adding it rounds to the grid
  let rounded = magnitude + magic - magic;
  const distance = magnitude - rounded;
  if (distance == step * 0.5 && rest > 0) rounded += step;
  else if (distance == step * -0.5 && rest < 0) rounded -= step;
  return reinterpret<f64>(sign | <u64>scaleBy(rounded, -grid));
}

/**
 * Moves high + low to the neighbour with an odd last bit where low is not zero. Rounding that to a format at least two
 * bits narrower gives what rounding high + low would have given.
 */
export function roundToOdd(high: f64, low: f64): f64 {
  const bits = reinterpret<i64>(high);
  if (low == 0 || low != low || (bits & 1) != 0 || high == 0) return high;
  return reinterpret<f64>(low > 0 == high > 0 ? bits + 1 : bits - 1);
}

/** What float64 rounds away of a * b (Dekker). */
function productError(a: f64, b: f64, product: f64): f64 {
  const aShifted = 134217729.0 * a;
  const aHigh = aShifted - (aShifted - a);
  const aLow = a - aHigh;
  const bShifted = 134217729.0 * b;
  const bHigh = bShifted - (bShifted - b);
  const bLow = b - bHigh;
  return aHigh * bHigh - product + aHigh * bLow + aLow * bHigh + aLow * bLow;
}

/** floor(log2(magnitude)) of a positive finite number. */
function exponentOf(magnitude: f64): i32 {
  const biased = <i32>(reinterpret<u64>(magnitude) >> 52);
  return biased > 0 ? biased - 1023 : <i32>(reinterpret<u64>(magnitude * 18014398509481984.0) >> 52) - 1077;
}

/** value * 2^exponent for |exponent| below 3000, exact where the result is a normal number. */
function scaleBy(value: f64, exponent: i32): f64 {
  while (exponent > 1000) {
    value *= powerOfTwo(1000);
    exponent -= 1000;
  }
  while (exponent < -1000) {
    value *= powerOfTwo(-1000);
    exponent += 1000;
  }
  return value * powerOfTwo(exponent);
}

function powerOfTwo(exponent: i32): f64 {
  return reinterpret<f64>((<u64>(exponent + 1023)) << 52);
}
