import { BFLOAT16 } from "./float-formats";
import { heldWords } from "./held-constant";
import { averageOneByOne, averageSingles } from "./single";
import { ENTRY, firstEntry, lastEntry, shortcutOf } from "./table";

/** The average is known from float32 sums and a bound of their error. */
const BOUNDED = 1;
/** All weights equal, number of inputs a power of two: the float32 sum is exact, and so is the average. */
const EXACT_SCALED = 2;
/** All weights equal: the float32 sum is exact, and its quotient decides. */
const EXACT_DIVIDED = 3;

/**
 * Averages BF16 to BF16, bit for bit as {@link averageSingles} does, but mostly without float64: a bfloat16 has 8
 * significant bits, so a float32 sum of 24 decides how it is rounded unless it comes out very near to a boundary. Where it
 * does not decide, sixteen elements go through float64.
 */
export function averageBfloat16(table: usize, output: usize, count: i32): i32 {
  const shortcut = shortcutOf(table);
  if (shortcut == BOUNDED) return averageBounded(table, output, count);
  if (shortcut == EXACT_SCALED) return averageEqual<bool>(table, output, count);
  if (shortcut == EXACT_DIVIDED) return averageEqual<i32>(table, output, count);
  return averageSingles<BFLOAT16, BFLOAT16>(table, output, 0, count);
}

/**
 * Any weights. With c_i = float32(w_i / W), the float32 sum A of c_i * x_i is within T of the float64 average, where
 * T = (n + 2) * 2^-24 * sum(|c_i|) * max(|x_i|): 2^-24 for rounding c_i, as much for the product, and as much for each
 * addition. A lies in a cell between two neighbouring bfloat16, with the rounding boundary in its middle. Where A is at
 * least 2 T from that, T is at most a quarter of the cell, so neither this boundary nor one of another cell lies between A
 * and the average: a cell is never less than half as wide as the one above it.
 *
 * `max` is 0, and then everything is exact, or from 2^-100, so that nothing that underflows counts beside T, to 2^120,
 * so that nothing overflows; NaN and infinity are beyond it.
 */
function averageBounded(table: usize, output: usize, count: i32): i32 {
  const start = firstEntry(table);
  const end = lastEntry(table);
  const tolerance = f32x4.splat(load<f32>(table, 32));
  const upper = heldWords(0xffff0000);
  const magnitude = heldWords(0x7fff7fff);
  const lowest = heldWords(0x0d800d80); // 2^-100
  const range = heldWords(0x6e006e00); // up to 2^120
  const half = heldWords(0x8000);
  const negativeZero = heldWords(0x80000000);
  const nothing = i32x4.splat(0);

  let nonFinite = 0;
  let index: i32 = 0;
  for (; index + 16 <= count; index += 16) {
    // Elements at even and at odd places, of the first eight and of the second.
    let even0 = negativeZero;
    let odd0 = negativeZero;
    let even1 = negativeZero;
    let odd1 = negativeZero;
    let max0 = nothing;
    let max1 = nothing;
    for (let entry = start; entry < end; entry += ENTRY) {
      const source = <usize>load<u32>(entry) + (<usize>index << 1);
      const coefficient = v128.load_splat<f32>(entry, 4);
      const x0 = v128.load(source);
      const x1 = v128.load(source, 16);
      max0 = i16x8.max_s(max0, v128.and(x0, magnitude));
      max1 = i16x8.max_s(max1, v128.and(x1, magnitude));
      even0 = f32x4.add(even0, f32x4.mul(coefficient, i32x4.shl(x0, 16)));
      odd0 = f32x4.add(odd0, f32x4.mul(coefficient, v128.and(x0, upper)));
      even1 = f32x4.add(even1, f32x4.mul(coefficient, i32x4.shl(x1, 16)));
      odd1 = f32x4.add(odd1, f32x4.mul(coefficient, v128.and(x1, upper)));
    }
    const decided0 = v128.and(
      v128.bitselect(
        f32x4.ge(distance(odd0, upper, half), f32x4.mul(tolerance, v128.and(max0, upper))),
        f32x4.ge(distance(even0, upper, half), f32x4.mul(tolerance, i32x4.shl(max0, 16))),
        upper,
      ),
      v128.or(i16x8.lt_u(i16x8.sub(max0, lowest), range), i16x8.eq(max0, nothing)),
    );
    const decided1 = v128.and(
      v128.bitselect(
        f32x4.ge(distance(odd1, upper, half), f32x4.mul(tolerance, v128.and(max1, upper))),
        f32x4.ge(distance(even1, upper, half), f32x4.mul(tolerance, i32x4.shl(max1, 16))),
        upper,
      ),
      v128.or(i16x8.lt_u(i16x8.sub(max1, lowest), range), i16x8.eq(max1, nothing)),
    );
    // Never at the boundary, so adding half a step and cutting off is rounding to nearest.
    const target = output + (<usize>index << 1);
    v128.store(target, v128.or(i32x4.shr_u(i32x4.add(even0, half), 16), v128.and(i32x4.add(odd0, half), upper)));
    v128.store(target, v128.or(i32x4.shr_u(i32x4.add(even1, half), 16), v128.and(i32x4.add(odd1, half), upper)), 16);
    if (!i16x8.all_true(v128.and(decided0, decided1))) {
      nonFinite += settle(table, output, index, i16x8.bitmask(decided0) | (i16x8.bitmask(decided1) << 8));
    }
  }
  return nonFinite + averageSingles<BFLOAT16, BFLOAT16>(table, output, index, count);
}

/**
 * Averages in float64 those of sixteen elements that float32 has not decided: one by one where they are few. Weights that are
 * simple fractions in decimal put many averages of equal exponents on a boundary, so this has to be quick.
 * @param decided a bit an element
 */
function settle(table: usize, output: usize, index: i32, decided: i32): i32 {
  let open = ~decided & 0xffff;
  if (popcnt(open) > 6) return averageSingles<BFLOAT16, BFLOAT16>(table, output, index, index + 16);
  let nonFinite = 0;
  for (; open != 0; open &= open - 1) {
    const at = index + ctz(open);
    nonFinite += averageOneByOne<BFLOAT16, BFLOAT16>(table, output, at, at + 1);
  }
  return nonFinite;
}

/** How far numbers are from the middle between the two bfloat16 around them; exact. */
@inline
function distance(value: v128, upper: v128, half: v128): v128 {
  return f32x4.abs(f32x4.sub(value, v128.or(v128.and(value, upper), half)));
}

/**
 * Equal weights, whose sums often lie on a rounding boundary exactly. A bfloat16 is a multiple of 2^-7 times its own
 * power of two, so where exponents differ little, all partial sums are exact in float32 and in float64. The quotient by the
 * number of inputs n is then rounded once here and once there, and both are on a boundary only where it is itself: a
 * boundary has 9 bits, so a float32 sum s other than n times it differs from that by at least an ulp of s, and s / n from
 * the boundary by more than half an ulp.
 * @typeParam Power bool where n is a power of two, so that a multiplication divides
 */
@inline
function averageEqual<Power>(table: usize, output: usize, count: i32): i32 {
  const start = firstEntry(table);
  const end = lastEntry(table);
  const factor = f32x4.splat(load<f32>(table, sizeof<Power>() == 1 ? 36 : 40));
  const spread = i16x8.splat(<i16>load<i32>(table, 44));
  const upper = heldWords(0xffff0000);
  const magnitude = heldWords(0x7fff7fff);
  const ones = heldWords(0x00010001);
  const word = heldWords(1);
  const lowest = heldWords(0x0d800d80); // 2^-100
  const range = heldWords(0x6e006e00); // up to 2^120
  const half = heldWords(0x7fff);
  const negativeZero = heldWords(0x80000000);
  const nothing = i32x4.splat(0);

  let nonFinite = 0;
  let index: i32 = 0;
  for (; index + 16 <= count; index += 16) {
    let even0 = negativeZero;
    let odd0 = negativeZero;
    let even1 = negativeZero;
    let odd1 = negativeZero;
    let max0 = nothing;
    let max1 = nothing;
    // One less than the smallest that is not zero; zero itself, less one, counts as large.
    let min0 = i32x4.splat(-1);
    let min1 = i32x4.splat(-1);
    for (let entry = start; entry < end; entry += ENTRY) {
      const source = <usize>load<u32>(entry) + (<usize>index << 1);
      const x0 = v128.load(source);
      const x1 = v128.load(source, 16);
      const magnitude0 = v128.and(x0, magnitude);
      const magnitude1 = v128.and(x1, magnitude);
      max0 = i16x8.max_s(max0, magnitude0);
      max1 = i16x8.max_s(max1, magnitude1);
      min0 = i16x8.min_u(min0, i16x8.sub(magnitude0, ones));
      min1 = i16x8.min_u(min1, i16x8.sub(magnitude1, ones));
      even0 = f32x4.add(even0, i32x4.shl(x0, 16));
      odd0 = f32x4.add(odd0, v128.and(x0, upper));
      even1 = f32x4.add(even1, i32x4.shl(x1, 16));
      odd1 = f32x4.add(odd1, v128.and(x1, upper));
    }
    const exact0 = v128.and(
      i16x8.le_s(i16x8.sub(max0, i16x8.add(min0, ones)), spread),
      v128.or(i16x8.lt_u(i16x8.sub(max0, lowest), range), i16x8.eq(max0, nothing)),
    );
    const exact1 = v128.and(
      i16x8.le_s(i16x8.sub(max1, i16x8.add(min1, ones)), spread),
      v128.or(i16x8.lt_u(i16x8.sub(max1, lowest), range), i16x8.eq(max1, nothing)),
    );
    const target = output + (<usize>index << 1);
    v128.store(target, roundEight<Power>(even0, odd0, factor, half, word, upper));
    v128.store(target, roundEight<Power>(even1, odd1, factor, half, word, upper), 16);
    if (!i16x8.all_true(v128.and(exact0, exact1))) {
      const exact = i16x8.bitmask(exact0) | (i16x8.bitmask(exact1) << 8);
      nonFinite += settle(table, output, index, exact);
    }
  }
  return nonFinite + averageSingles<BFLOAT16, BFLOAT16>(table, output, index, count);
}

/** Eight quotients rounded to nearest even and put in order. */
@inline
function roundEight<Power>(even: v128, odd: v128, factor: v128, half: v128, word: v128, upper: v128): v128 {
  const a = sizeof<Power>() == 1 ? f32x4.mul(even, factor) : f32x4.div(even, factor);
  const b = sizeof<Power>() == 1 ? f32x4.mul(odd, factor) : f32x4.div(odd, factor);
  const evenBits = i32x4.add(i32x4.add(a, half), v128.and(i32x4.shr_u(a, 16), word));
  const oddBits = i32x4.add(i32x4.add(b, half), v128.and(i32x4.shr_u(b, 16), word));
  return v128.or(i32x4.shr_u(evenBits, 16), v128.and(oddBits, upper));
}
