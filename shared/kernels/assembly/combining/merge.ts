import { heldDoubles, heldWords } from "../averaging/held-constant";
import { keyOf, keysOfFour, loadOne, loadTwo } from "./rows";

/**
 * Weighted, thinned differences from a base, added up. An entry of 32 bytes for each input:
 *   0 address u32 · 4 address of a mask of one byte an element, or 0 · 8 factor f64 · 16 weight f64 · 24, 28 smallest and
 *   largest key that stays i32
 * Each element: sum = Σ factor·(x - b). With an election, only parts of the sum's sign are added, and the divisor is the
 * sum of their weights, or 1 where that is negligible. result = b + (λ·sum) / divisor, and b itself where the sum is 0.
 *
 * Works on whole groups of four elements: up to three elements after the last are read and written.
 * @param scratch 32 bytes for each input
 * @returns 1 where a difference is not finite and may not show in the result
 */
@inline
function merge<T>(
  entries: usize,
  end: usize,
  scratch: usize,
  base: usize,
  count: i32,
  result: usize,
  lambda: f64,
  divisor: f64,
  negligible: f64,
  elects: bool,
): i32 {
  const zero = f64x2.splat(0);
  const one = heldDoubles(0x3ff0000000000000);
  const magnitude = heldWords(0x7fffffff);
  const signs = heldDoubles(0x8000000000000000);
  const lambdas = f64x2.splat(lambda);
  const least = f64x2.splat(negligible);
  let under0 = f64x2.splat(divisor);
  let under1 = under0;
  let check = zero;
  const step: usize = 2 * sizeof<T>();
  for (let index = 0; index < count; index += 4) {
    const at = <usize>index * sizeof<T>();
    const from0 = loadTwo<T>(base + at);
    const from1 = loadTwo<T>(base + at + step);
    let sum0 = zero;
    let sum1 = zero;
    let part = scratch;
    for (let entry = entries; entry < end; entry += 32) {
      const row = <usize>load<u32>(entry) + at;
      let x0 = f64x2.sub(loadTwo<T>(row), from0);
      let x1 = f64x2.sub(loadTwo<T>(row + step), from1);
      const mask = <usize>load<u32>(entry, 4);
      // What is not finite has the largest of keys, from infinity's on, and shows in the result unless it is dropped all
      // the same.
      if (mask != 0 || load<i32>(entry, 28) != 0x7fffffff || load<i32>(entry, 24) > 0x7f800000) {
        // x - x is 0, or NaN where x is not finite.
        check = f64x2.add(check, f64x2.add(f64x2.sub(x0, x0), f64x2.sub(x1, x1)));
      }
      if (load<u64>(entry, 24) != 0x7fffffff00000000) {
        const keys = keysOfFour<T>(row, base + at, true, magnitude);
        const keep = v128.and(
          i32x4.ge_s(keys, v128.load_splat<i32>(entry, 24)),
          i32x4.le_s(keys, v128.load_splat<i32>(entry, 28)),
        );
        x0 = v128.and(x0, v128.shuffle<u32>(keep, keep, 0, 0, 1, 1));
        x1 = v128.and(x1, v128.shuffle<u32>(keep, keep, 2, 2, 3, 3));
      }
      if (mask != 0) {
        const drawn = v128.load_zero<u32>(mask + <usize>index);
        const words = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(drawn));
        const keep = i32x4.neg(words);
        x0 = v128.and(x0, v128.shuffle<u32>(keep, keep, 0, 0, 1, 1));
        x1 = v128.and(x1, v128.shuffle<u32>(keep, keep, 2, 2, 3, 3));
      }
      const factor = v128.load_splat<f64>(entry, 8);
      x0 = f64x2.mul(factor, x0);
      x1 = f64x2.mul(factor, x1);
      sum0 = f64x2.add(sum0, x0);
      sum1 = f64x2.add(sum1, x1);
      if (elects) {
        v128.store(part, x0);
        v128.store(part, x1, 16);
        part += 32;
      }
    }
    if (elects) {
      // Turns the elected sign into plus.
      const turn0 = v128.andnot(signs, f64x2.ge(sum0, zero));
      const turn1 = v128.andnot(signs, f64x2.ge(sum1, zero));
      let agreed0 = zero;
      let agreed1 = zero;
      let agreeing0 = zero;
      let agreeing1 = zero;
      part = scratch;
      for (let entry = entries; entry < end; entry += 32) {
        const x0 = v128.load(part);
        const x1 = v128.load(part, 16);
        part += 32;
        const agrees0 = f64x2.gt(v128.xor(x0, turn0), zero);
        const agrees1 = f64x2.gt(v128.xor(x1, turn1), zero);
        const weight = v128.load_splat<f64>(entry, 16);
        agreed0 = f64x2.add(agreed0, v128.and(x0, agrees0));
        agreed1 = f64x2.add(agreed1, v128.and(x1, agrees1));
        agreeing0 = f64x2.add(agreeing0, v128.and(weight, agrees0));
        agreeing1 = f64x2.add(agreeing1, v128.and(weight, agrees1));
      }
      // NaN agrees with no sign, and still has to show.
      sum0 = v128.bitselect(agreed0, sum0, f64x2.eq(sum0, sum0));
      sum1 = v128.bitselect(agreed1, sum1, f64x2.eq(sum1, sum1));
      under0 = v128.bitselect(agreeing0, one, f64x2.ge(f64x2.abs(agreeing0), least));
      under1 = v128.bitselect(agreeing1, one, f64x2.ge(f64x2.abs(agreeing1), least));
    }
    const moved0 = f64x2.add(from0, f64x2.div(f64x2.mul(lambdas, sum0), under0));
    const moved1 = f64x2.add(from1, f64x2.div(f64x2.mul(lambdas, sum1), under1));
    const target = result + (<usize>index << 3);
    v128.store(target, v128.bitselect(from0, moved0, f64x2.eq(sum0, zero)));
    v128.store(target, v128.bitselect(from1, moved1, f64x2.eq(sum1, zero)), 16);
  }
  return i32(!i64x2.all_true(f64x2.eq(check, check)));
}

/** With an election; `negligible` is infinite where nothing is to be divided by. */
export function mergeElected<T>(
  entries: usize,
  end: usize,
  scratch: usize,
  base: usize,
  count: i32,
  result: usize,
  lambda: f64,
  negligible: f64,
): i32 {
  return merge<T>(entries, end, scratch, base, count, result, lambda, 1, negligible, true);
}

/** Without an election. */
export function mergeAll<T>(
  entries: usize,
  end: usize,
  base: usize,
  count: i32,
  result: usize,
  lambda: f64,
  divisor: f64,
): i32 {
  return merge<T>(entries, end, 0, base, count, result, lambda, divisor, 0, false);
}

/**
 * Σ|x - b| over all entries of a row that are finite, and over those that stay: two float64. In four interleaved sums,
 * as `squares` has them.
 * @param mask one byte an element, or 0
 */
export function magnitudeSums<T>(
  row: usize,
  base: usize,
  count: i32,
  mask: usize,
  low: i32,
  high: i32,
  out: usize,
): void {
  const infinity = heldDoubles(0x7ff0000000000000);
  const magnitude = heldWords(0x7fffffff);
  const lows = i32x4.splat(low);
  const highs = i32x4.splat(high);
  const all = i32x4.splat(-1);
  let whole0 = f64x2.splat(0);
  let whole1 = whole0;
  let rest0 = whole0;
  let rest1 = whole0;
  const step: usize = 2 * sizeof<T>();
  const groups = count & ~3;
  let at: usize = 0;
  let index = 0;
  for (; index < groups; index += 4, at += 2 * step) {
    let x0 = f64x2.abs(f64x2.sub(loadTwo<T>(row + at), loadTwo<T>(base + at)));
    let x1 = f64x2.abs(f64x2.sub(loadTwo<T>(row + at + step), loadTwo<T>(base + at + step)));
    const keys = keysOfFour<T>(row + at, base + at, true, magnitude);
    x0 = v128.and(x0, f64x2.lt(x0, infinity));
    x1 = v128.and(x1, f64x2.lt(x1, infinity));
    whole0 = f64x2.add(whole0, x0);
    whole1 = f64x2.add(whole1, x1);
    let keep = all;
    if (mask != 0) {
      const drawn = v128.load_zero<u32>(mask + <usize>index);
      keep = i32x4.neg(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(drawn)));
    }
    keep = v128.and(keep, v128.and(i32x4.ge_s(keys, lows), i32x4.le_s(keys, highs)));
    rest0 = f64x2.add(rest0, v128.and(x0, v128.shuffle<u32>(keep, keep, 0, 0, 1, 1)));
    rest1 = f64x2.add(rest1, v128.and(x1, v128.shuffle<u32>(keep, keep, 2, 2, 3, 3)));
  }
  let whole = f64x2.extract_lane(whole0, 0);
  let rest = f64x2.extract_lane(rest0, 0);
  for (; index < count; index++, at += sizeof<T>()) {
    const x = abs(loadOne<T>(row + at) - loadOne<T>(base + at));
    if (!(x < Infinity)) continue;
    whole += x;
    const key = <i32>keyOf(x);
    if ((mask == 0 || load<u8>(mask + <usize>index) != 0) && key >= low && key <= high) rest += x;
  }
  whole = whole + f64x2.extract_lane(whole0, 1) + (f64x2.extract_lane(whole1, 0) + f64x2.extract_lane(whole1, 1));
  rest = rest + f64x2.extract_lane(rest0, 1) + (f64x2.extract_lane(rest1, 0) + f64x2.extract_lane(rest1, 1));
  store<f64>(out, whole);
  store<f64>(out, rest, 8);
}
