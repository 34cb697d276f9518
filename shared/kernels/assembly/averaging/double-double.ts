import { encode } from "./float-formats";
import { averageExtreme, roundToOdd } from "./extreme";
import { heldDoubles } from "./held-constant";
import { divides, divisorLowOf, divisorOf, ENTRY, firstEntry, isOrdinary, lastEntry } from "./table";

/**
 * Averages F64 elements with an accumulator of two float64 (106 bits): error-free sums (Knuth's TwoSum) and products
 * (Dekker's, with Veltkamp's splitting, since WebAssembly has no fused multiply-add). A plain float64 sum would lose
 * the last bits of entries that are equal in all inputs.
 *
 * Those transformations hold while nothing overflows or underflows on the way. Elements outside [2^-400, 2^900], and
 * weights that are not `ordinary`, take the scaled path of {@link averageExtreme}.
 * @see Dekker, "A floating-point technique for extending the available precision" (1971)
 */
export function averageDoubles<Out>(table: usize, output: usize, count: i32): i32 {
  let nonFinite = 0;
  let index: i32 = 0;
  if (isOrdinary(table)) {
    const splitter = heldDoubles(0x41a0000002000000); // 2^27 + 1
    const smallest = heldDoubles(0x26f0000000000000); // 2^-400
    const largest = heldDoubles(0x7830000000000000); // 2^900
    for (; index + 2 <= count; index += 2) {
      nonFinite += averagePair<Out>(table, output, index, splitter, smallest, largest);
    }
  }
  for (; index < count; index++) {
    const odd = sizeof<Out>() != 8;
    const value = averageExtreme(table, index, odd);
    nonFinite += encode<Out>(output + <usize>index * sizeof<Out>(), value);
  }
  return nonFinite;
}

@inline
function averagePair<Out>(
  table: usize,
  output: usize,
  index: i32,
  splitter: v128,
  smallest: v128,
  largest: v128,
): i32 {
  const zero = f64x2.splat(0);
  const start = firstEntry(table);
  const end = lastEntry(table);
  let high = zero;
  let low = zero;
  let signs = i64x2.splat(-1);
  let extreme = zero;
  for (let entry = start; entry < end; entry += ENTRY) {
    const x = v128.load(<usize>load<u32>(entry) + (<usize>index << 3));
    const weight = v128.load_splat<f64>(entry, 8);
    const weightHigh = v128.load_splat<f64>(entry, 16);
    const weightLow = v128.load_splat<f64>(entry, 24);
    const magnitude = f64x2.abs(x);
    extreme = v128.or(
      extreme,
      v128.or(
        f64x2.gt(magnitude, largest),
        v128.and(f64x2.lt(magnitude, smallest), f64x2.ne(magnitude, zero)),
      ),
    );
    // product + error = weight * x
    const product = f64x2.mul(weight, x);
    const shifted = f64x2.mul(splitter, x);
    const xHigh = f64x2.sub(shifted, f64x2.sub(shifted, x));
    const xLow = f64x2.sub(x, xHigh);
    const error = f64x2.add(
      f64x2.add(
        f64x2.add(f64x2.sub(f64x2.mul(weightHigh, xHigh), product), f64x2.mul(weightHigh, xLow)),
        f64x2.mul(weightLow, xHigh),
      ),
      f64x2.mul(weightLow, xLow),
    );
    signs = v128.and(signs, product);
    // sum + rest = high + product
    const sum = f64x2.add(high, product);
    const part = f64x2.sub(sum, high);
    const rest = f64x2.add(f64x2.sub(high, f64x2.sub(sum, part)), f64x2.sub(product, part));
    const carry = f64x2.add(rest, f64x2.add(low, error));
    high = f64x2.add(sum, carry);
    low = f64x2.sub(carry, f64x2.sub(high, sum));
  }
  if (v128.any_true(extreme)) {
    const odd = sizeof<Out>() != 8;
    const first = averageExtreme(table, index, odd);
    const second = averageExtreme(table, index + 1, odd);
    return (
      encode<Out>(output + <usize>index * sizeof<Out>(), first) +
      encode<Out>(output + <usize>(index + 1) * sizeof<Out>(), second)
    );
  }
  if (divides(table)) {
    const whole = f64x2.splat(divisorOf(table));
    const wholeShifted = f64x2.mul(splitter, whole);
    const wholeHigh = f64x2.sub(wholeShifted, f64x2.sub(wholeShifted, whole));
    const wholeLow = f64x2.sub(whole, wholeHigh);
    const quotient = f64x2.div(high, whole);
    const shifted = f64x2.mul(splitter, quotient);
    const quotientHigh = f64x2.sub(shifted, f64x2.sub(shifted, quotient));
    const quotientLow = f64x2.sub(quotient, quotientHigh);
    const back = f64x2.mul(quotient, whole);
    const error = f64x2.add(
      f64x2.add(
        f64x2.add(f64x2.sub(f64x2.mul(wholeHigh, quotientHigh), back), f64x2.mul(wholeHigh, quotientLow)),
        f64x2.mul(wholeLow, quotientHigh),
      ),
      f64x2.mul(wholeLow, quotientLow),
    );
    const remainder = f64x2.sub(
      f64x2.add(f64x2.sub(f64x2.sub(high, back), error), low),
      f64x2.mul(quotient, f64x2.splat(divisorLowOf(table))),
    );
    const correction = f64x2.div(remainder, whole);
    high = f64x2.add(quotient, correction);
    low = f64x2.sub(correction, f64x2.sub(high, quotient));
  }
  // A zero is negative only where every product was: TwoSum loses that sign.
  const negativeZero = v128.and(v128.and(signs, i64x2.splat(0x8000000000000000)), f64x2.eq(high, zero));
  high = v128.or(high, negativeZero);

  let first = f64x2.extract_lane(high, 0);
  let second = f64x2.extract_lane(high, 1);
  if (sizeof<Out>() != 8) {
    first = roundToOdd(first, f64x2.extract_lane(low, 0));
    second = roundToOdd(second, f64x2.extract_lane(low, 1));
  }
  return (
    encode<Out>(output + <usize>index * sizeof<Out>(), first) +
    encode<Out>(output + <usize>(index + 1) * sizeof<Out>(), second)
  );
}
