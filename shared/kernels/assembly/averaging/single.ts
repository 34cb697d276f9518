import {
  decode,
  encode,
  encodeBias,
  encodeEight,
  gridBits,
  largestBits,
  smallestBits,
} from "./float-formats";
import { heldDoubles, heldWords } from "./held-constant";

/**
 * Averages elements of at most 32 bits. Float64 has 29 bits to spare over F32, so entries that are equal in all inputs
 * come back bit-equal whatever the weights.
 *
 * One pass over all inputs, eight elements at a time, so the float64 sums never leave the registers. The sum starts
 * at -0, the only number that changes none it is added to: 0 + -0 is 0, and a frozen -0 has to stay.
 */
// @ts-ignore: decorator
@inline
export function averageSingles<In, Out>(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  divide: bool,
): i32 {
  const end = table + (<usize>inputs << 5);
  const divisors = f64x2.splat(divisor);
  const exponentMask = heldDoubles(0x7ff0000000000000);
  const smallest = heldDoubles(smallestBits<Out>());
  const grid = heldDoubles(gridBits<Out>());
  const bias = heldWords(encodeBias<Out>());
  const largest = heldWords(largestBits<Out>());
  const halfMask = heldWords(0x8fffe000);
  const halfScale = heldWords(0x77800000); // 2^112
  const halfSpecial = heldWords(0x7c007c00);
  const negativeZero = heldDoubles(0x8000000000000000);
  const nothing = i32x4.splat(0);

  let nonFinite = 0;
  let index: i32 = 0;
  for (; index + 8 <= count; index += 8) {
    let a = negativeZero;
    let b = negativeZero;
    let c = negativeZero;
    let d = negativeZero;
    let special = nothing;
    for (let entry = table; entry < end; entry += 32) {
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
        // A bfloat16 is the upper half of the float32 of the same value.
        const halves = v128.load(source);
        x0 = v128.shuffle<u16>(nothing, halves, 0, 8, 1, 9, 2, 10, 3, 11);
        x2 = v128.shuffle<u16>(nothing, halves, 4, 12, 5, 13, 6, 14, 7, 15);
        if (isSigned<In>()) {
          // An f16 has three exponent bits fewer: shift them in, then correct the exponent's bias by 2^112, which makes
          // subnormals right too. Infinity and NaN it would make finite, so those go element by element.
          special = v128.or(special, i16x8.eq(v128.and(halves, halfSpecial), halfSpecial));
          x0 = f32x4.mul(v128.and(i32x4.shr_s(x0, 3), halfMask), halfScale);
          x2 = f32x4.mul(v128.and(i32x4.shr_s(x2, 3), halfMask), halfScale);
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
    if (isSigned<In>() && sizeof<In>() == 2 && v128.any_true(special)) {
      nonFinite += averageOneByOne<In, Out>(table, end, output, index, index + 8, divisor, divide);
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
  return nonFinite + averageOneByOne<In, Out>(table, end, output, index, count, divisor, divide);
}

/** The same, element by element. */
function averageOneByOne<In, Out>(
  table: usize,
  end: usize,
  output: usize,
  from: i32,
  to: i32,
  divisor: f64,
  divide: bool,
): i32 {
  let nonFinite = 0;
  for (let index = from; index < to; index++) {
    const offset = <usize>index * sizeof<In>();
    let sum = load<f64>(table, 8) * decode<In>(<usize>load<u32>(table) + offset);
    for (let entry = table + 32; entry < end; entry += 32) {
      sum += load<f64>(entry, 8) * decode<In>(<usize>load<u32>(entry) + offset);
    }
    nonFinite += encode<Out>(output + <usize>index * sizeof<Out>(), divide ? sum / divisor : sum);
  }
  return nonFinite;
}
