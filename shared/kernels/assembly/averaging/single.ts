import {
  decode,
  encode,
  encodeBias,
  encodeEight,
  fieldMaskOf,
  fieldScaleOf,
  fieldShift,
  gridBits,
  isBfloat16,
  largestBits,
  smallestBits,
  specialOf,
  widenBytes,
} from "./float-formats";
import { heldDoubles, heldWords } from "./held-constant";
import { divides, divisorOf, ENTRY, firstEntry, lastEntry } from "./table";

/**
 * Averages elements of at most 32 bits. Float64 has 29 bits to spare over F32, so entries that are equal in all inputs
 * come back bit-equal whatever the weights.
 *
 * One pass over all inputs, eight elements at a time, so the float64 sums never leave the registers. The sum starts
 * at -0, the only number that changes none it is added to: 0 + -0 is 0, and a frozen -0 has to stay.
 */
export function averageSingles<In, Out>(table: usize, output: usize, from: i32, to: i32): i32 {
  const start = firstEntry(table);
  const end = lastEntry(table);
  const divisor = divisorOf(table);
  // What float64 rounds away of the divisor does not matter here, so a divisor of 1 is none.
  const divide = divides(table) && divisor != 1;
  const divisors = f64x2.splat(divisor);
  const exponentMask = heldDoubles(0x7ff0000000000000);
  const smallest = heldDoubles(smallestBits<Out>());
  const grid = heldDoubles(gridBits<Out>());
  const bias = heldWords(encodeBias<Out>());
  const largest = heldWords(largestBits<Out>());
  const fieldMask = heldWords(fieldMaskOf<In>());
  const fieldScale = heldWords(fieldScaleOf<In>());
  const special = heldWords(specialOf<In>());
  const negativeZero = heldDoubles(0x8000000000000000);
  const nothing = i32x4.splat(0);

  let nonFinite = 0;
  let index = from;
  for (; index + 8 <= to; index += 8) {
    let a = negativeZero;
    let b = negativeZero;
    let c = negativeZero;
    let d = negativeZero;
    let found = nothing;
    for (let entry = start; entry < end; entry += ENTRY) {
      const source = <usize>load<u32>(entry) + <usize>index * sizeof<In>();
      const weight = v128.load_splat<f64>(entry, 8);
      let x0: v128;
      let x1: v128;
      let x2: v128;
      let x3: v128;
      if (sizeof<In>() == 4) {
        x0 = v128.load_zero<u64>(source);
        x1 = v128.load_zero<u64>(source, 8);
        x2 = v128.load_zero<u64>(source, 16);
        x3 = v128.load_zero<u64>(source, 24);
      } else {
        // Each element in the upper half of a 32-bit lane, which makes a bfloat16 the float32 of the same value.
        const halves = sizeof<In>() == 2 ? v128.load(source) : widenBytes(source);
        x0 = v128.shuffle<u16>(nothing, halves, 0, 8, 1, 9, 2, 10, 3, 11);
        x2 = v128.shuffle<u16>(nothing, halves, 4, 12, 5, 13, 6, 14, 7, 15);
        if (!isBfloat16<In>()) {
          // The other formats have fewer exponent bits: shift them into place, then correct the bias by a power of two,
          // which makes subnormals right too. Infinity and NaN it would make finite, so those go element by element.
          found = v128.or(found, i16x8.eq(v128.and(halves, special), special));
          x0 = f32x4.mul(v128.and(i32x4.shr_s(x0, fieldShift<In>()), fieldMask), fieldScale);
          x2 = f32x4.mul(v128.and(i32x4.shr_s(x2, fieldShift<In>()), fieldMask), fieldScale);
        }
        x1 = v128.shuffle<u64>(x0, x0, 1, 1);
        x3 = v128.shuffle<u64>(x2, x2, 1, 1);
      }
      x0 = f64x2.mul(weight, f64x2.promote_low_f32x4(x0));
      x1 = f64x2.mul(weight, f64x2.promote_low_f32x4(x1));
      x2 = f64x2.mul(weight, f64x2.promote_low_f32x4(x2));
      x3 = f64x2.mul(weight, f64x2.promote_low_f32x4(x3));
      a = f64x2.add(a, x0);
      b = f64x2.add(b, x1);
      c = f64x2.add(c, x2);
      d = f64x2.add(d, x3);
    }
    if (sizeof<In>() < 4 && !isBfloat16<In>() && v128.any_true(found)) {
      nonFinite += averageOneByOne<In, Out>(table, output, index, index + 8);
      continue;
    }
    if (divide) {
      a = f64x2.div(a, divisors);
      b = f64x2.div(b, divisors);
      c = f64x2.div(c, divisors);
      d = f64x2.div(d, divisors);
    }
    const target = output + <usize>index * sizeof<Out>();
    nonFinite += encodeEight<Out>(target, a, b, c, d, exponentMask, smallest, grid, bias, largest);
  }
  return nonFinite + averageOneByOne<In, Out>(table, output, index, to);
}

/** The same, element by element. */
export function averageOneByOne<In, Out>(table: usize, output: usize, from: i32, to: i32): i32 {
  const start = firstEntry(table);
  const end = lastEntry(table);
  const divisor = divisorOf(table);
  const divide = divides(table);
  let nonFinite = 0;
  for (let index = from; index < to; index++) {
    const offset = <usize>index * sizeof<In>();
    let sum: f64 = -0.0;
    for (let entry = start; entry < end; entry += ENTRY) {
      sum += load<f64>(entry, 8) * decode<In>(<usize>load<u32>(entry) + offset);
    }
    nonFinite += encode<Out>(output + <usize>index * sizeof<Out>(), divide ? sum / divisor : sum);
  }
  return nonFinite;
}
