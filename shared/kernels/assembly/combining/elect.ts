import { F64 } from "../averaging/float-formats";

/**
 * Weighted differences from a base with an election of signs, as `merge.ts` has them bit for bit, for what is common: two to
 * four float32 rows, nothing but a smallest magnitude that stays, all numbers finite. Of those the arithmetic takes about
 * half as many instructions. Where a block has anything else, the kernel says so, and the block is `merge.ts`'s.
 *
 * What follows is laid out for the engine: it makes a vector constant anew at each use, so constants are loaded from memory,
 * next to the entries, before the loop as far as there are registers for them; and a division at the end of the chain of
 * additions would hold up the elements after it, so quotients come in a second loop over a tile that stays in the first-level
 * cache.
 *
 * Scratch: 4 entries of 32 bytes as in `merge.ts`, constants, the tile.
 */
const MAGNITUDE: usize = 128;
const SIGN: usize = 136;
const COUNT: usize = 144;
const NEGLIGIBLE: usize = 152;
const ONE: usize = 160;
const LAMBDA: usize = 168;
const HALF: usize = 176;
const TILE: usize = 192;
/** Bytes of a base row that a tile is made of: 64 elements. For two elements it holds numerators, then divisors. */
const TILE_ROW: usize = 256;
/** Bits of 2^52, on which counts in the lowest bits are the numbers 2^52 + n. */
const COUNT_BITS: u64 = 0x4330000000000000;

/**
 * The smallest float64 that float32 rounds to a key of at least `low`: half-way from the number before, which the tie to
 * even counts to the even one.
 */
function smallestKept(low: i32): f64 {
  if (low <= 0) return 0;
  // Above the largest finite number rounding goes on as if there were one more.
  const above = low < 0x7f800000 ? f64(reinterpret<f32>(low)) : reinterpret<f64>(<u64>0x47f0000000000000);
  const middle = (f64(reinterpret<f32>(low - 1)) + above) * 0.5;
  return low & 1 ? reinterpret<f64>(reinterpret<u64>(middle) + 1) : middle;
}

/** Two differences, 0 where they do not stay; NaN stays. */
@inline
function keptOf(row: usize, from: v128, magnitude: v128, smallest: v128): v128 {
  const x = f64x2.sub(f64x2.promote_low_f32x4(v128.load_zero<u64>(row)), from);
  return v128.andnot(x, f64x2.lt(v128.and(x, magnitude), smallest));
}

/** Adds to the divisor what an input counts for where it has the elected sign, which has been turned into plus. */
@inline
function agreeing(under: v128, turned: v128, zero: v128, weight: v128, plain: bool): v128 {
  const drops = f64x2.le(turned, zero);
  return plain ? i64x2.add(under, drops) : f64x2.add(under, v128.andnot(weight, drops));
}

/**
 * Two plain rows, whose divisors are 1 and 2, so that there is nothing to divide: where both stay and have one sign, half of
 * their sum.
 * @returns as {@link elect} does
 */
@inline
export function electPair<Out>(entries: usize, base: usize, count: i32, result: usize, lambda: f64): i32 {
  store<u64>(entries, 0x7fffffffffffffff, MAGNITUDE);
  store<u64>(entries, 0x8000000000000000, SIGN);
  store<f64>(entries, 0.5, HALF);
  store<f64>(entries, lambda, LAMBDA);
  store<f64>(entries, smallestKept(load<i32>(entries, 24)), 24);
  store<f64>(entries, smallestKept(load<i32>(entries, 56)), 56);
  const row0 = <usize>load<u32>(entries);
  const row1 = <usize>load<u32>(entries, 32);
  const magnitude = v128.load_splat<f64>(entries, MAGNITUDE);
  const sign = v128.load_splat<f64>(entries, SIGN);
  const half = v128.load_splat<f64>(entries, HALF);
  const lambdas = v128.load_splat<f64>(entries, LAMBDA);
  const least0 = v128.load_splat<f64>(entries, 24);
  const least1 = v128.load_splat<f64>(entries, 56);
  const zero = i32x4.splat(0);
  const end = <usize>((count + 3) & ~3) << 2;
  let least = zero;
  let check = zero;
  for (let at: usize = 0; at < end; at += 16) {
    const from = v128.load(base + at);
    // The bits of -0 are the smallest integer.
    least = i32x4.min_s(least, from);
    const from0 = f64x2.promote_low_f32x4(from);
    const from1 = f64x2.promote_low_f32x4(v128.load_zero<u64>(base + at, 8));
    const sum0 = f64x2.add(from0, movedBy(row0 + at, row1 + at, from0, magnitude, sign, half, lambdas, least0, least1));
    const sum1 = f64x2.add(from1, movedBy(row0 + at + 8, row1 + at + 8, from1, magnitude, sign, half, lambdas, least0, least1));
    // x - x is 0, or NaN where x is not finite.
    if (sizeof<Out>() == sizeof<F64>()) {
      v128.store(result + 2 * at, sum0);
      v128.store(result + 2 * at, sum1, 16);
      check = f64x2.add(check, f64x2.add(f64x2.sub(sum0, sum0), f64x2.sub(sum1, sum1)));
    } else {
      const both = v128.shuffle<u64>(f32x4.demote_f64x2_zero(sum0), f32x4.demote_f64x2_zero(sum1), 0, 2);
      v128.store(result + at, both);
      check = f32x4.add(check, f32x4.sub(both, both));
    }
  }
  const finite = sizeof<Out>() == sizeof<F64>() ? f64x2.eq(check, check) : f32x4.eq(check, check);
  const unsigned = i32x4.ne(least, i32x4.splat(0x80000000));
  return i32(!i32x4.all_true(v128.and(finite, unsigned)));
}

/** What the base moves by at two elements, times λ. */
@inline
function movedBy(
  row0: usize,
  row1: usize,
  from: v128,
  magnitude: v128,
  sign: v128,
  half: v128,
  lambdas: v128,
  least0: v128,
  least1: v128,
): v128 {
  const zero = i32x4.splat(0);
  let x0 = keptOf(row0, from, magnitude, least0);
  let x1 = keptOf(row1, from, magnitude, least1);
  // Turns the elected sign into plus. A sum of -0 has no part of either sign.
  const turn = v128.and(f64x2.add(x0, x1), sign);
  x0 = f64x2.pmax(v128.xor(x0, turn), zero);
  x1 = f64x2.pmax(v128.xor(x1, turn), zero);
  const moved = f64x2.mul(lambdas, v128.xor(f64x2.add(x0, x1), turn));
  // The smallest differences that float32 has are 2^-149, so no product of two vanishes.
  const both = f64x2.gt(f64x2.mul(x0, x1), zero);
  return f64x2.sub(moved, f64x2.mul(moved, v128.and(both, half)));
}

/**
 * @param plain whether all factors and weights are 1 and counts are divided by
 * @returns 1 where a result is not finite, or the base has a -0, which the sum here loses: then nothing written counts
 */
@inline
export function elect<Out>(
  entries: usize,
  base: usize,
  count: i32,
  result: usize,
  lambda: f64,
  negligible: f64,
  inputs: i32,
  plain: bool,
): i32 {
  store<u64>(entries, 0x7fffffffffffffff, MAGNITUDE);
  store<u64>(entries, 0x8000000000000000, SIGN);
  store<u64>(entries, plain ? COUNT_BITS + inputs : 0, COUNT);
  store<f64>(entries, plain ? reinterpret<f64>(COUNT_BITS) : negligible, NEGLIGIBLE);
  store<f64>(entries, 1, ONE);
  store<f64>(entries, lambda, LAMBDA);
  for (let entry = entries, end = entries + (<usize>inputs << 5); entry < end; entry += 32) {
    store<f64>(entry, smallestKept(load<i32>(entry, 24)), 24);
  }
  const row0 = <usize>load<u32>(entries);
  const row1 = <usize>load<u32>(entries, 32);
  const row2 = <usize>load<u32>(entries, 64);
  const row3 = <usize>load<u32>(entries, 96);
  const zero = i32x4.splat(0);
  const magnitude = v128.load_splat<f64>(entries, MAGNITUDE);
  const sign = v128.load_splat<f64>(entries, SIGN);
  const least0 = v128.load_splat<f64>(entries, 24);
  const least1 = v128.load_splat<f64>(entries, 56);
  const least2 = inputs > 2 ? v128.load_splat<f64>(entries, 88) : zero;
  const least3 = inputs > 3 ? v128.load_splat<f64>(entries, 120) : zero;
  const end = <usize>((count + 3) & ~3) << 2;
  let least = zero;
  let check = zero;
  for (let begin: usize = 0; begin < end; begin += TILE_ROW) {
    const tileEnd = min(end, begin + TILE_ROW);
    let tile = entries + TILE;
    for (let at = begin; at < tileEnd; at += 8) {
      const from = f64x2.promote_low_f32x4(v128.load_zero<u64>(base + at));
      let x0 = keptOf(row0 + at, from, magnitude, least0);
      let x1 = keptOf(row1 + at, from, magnitude, least1);
      let x2 = zero;
      let x3 = zero;
      if (inputs > 2) x2 = keptOf(row2 + at, from, magnitude, least2);
      if (inputs > 3) x3 = keptOf(row3 + at, from, magnitude, least3);
      if (!plain) {
        x0 = f64x2.mul(x0, v128.load_splat<f64>(entries, 8));
        x1 = f64x2.mul(x1, v128.load_splat<f64>(entries, 40));
        if (inputs > 2) x2 = f64x2.mul(x2, v128.load_splat<f64>(entries, 72));
        if (inputs > 3) x3 = f64x2.mul(x3, v128.load_splat<f64>(entries, 104));
      }
      let sum = f64x2.add(x0, x1);
      if (inputs > 2) sum = f64x2.add(sum, x2);
      if (inputs > 3) sum = f64x2.add(sum, x3);
      // Turns the elected sign into plus. A sum of -0 has no part of either sign.
      const turn = v128.and(sum, sign);
      x0 = v128.xor(x0, turn);
      x1 = v128.xor(x1, turn);
      if (inputs > 2) x2 = v128.xor(x2, turn);
      if (inputs > 3) x3 = v128.xor(x3, turn);
      let under = v128.load_splat<f64>(entries, COUNT);
      under = agreeing(under, x0, zero, plain ? zero : v128.load_splat<f64>(entries, 16), plain);
      under = agreeing(under, x1, zero, plain ? zero : v128.load_splat<f64>(entries, 48), plain);
      if (inputs > 2) under = agreeing(under, x2, zero, plain ? zero : v128.load_splat<f64>(entries, 80), plain);
      if (inputs > 3) under = agreeing(under, x3, zero, plain ? zero : v128.load_splat<f64>(entries, 112), plain);
      // x < 0 ? 0 : x, which lets NaN pass.
      sum = f64x2.add(f64x2.pmax(x0, zero), f64x2.pmax(x1, zero));
      if (inputs > 2) sum = f64x2.add(sum, f64x2.pmax(x2, zero));
      if (inputs > 3) sum = f64x2.add(sum, f64x2.pmax(x3, zero));
      v128.store(tile, v128.xor(sum, turn));
      v128.store(tile, under, 16);
      tile += 32;
    }
    const lambdas = v128.load_splat<f64>(entries, LAMBDA);
    const ones = v128.load_splat<f64>(entries, ONE);
    const limit = v128.load_splat<f64>(entries, NEGLIGIBLE);
    tile = entries + TILE;
    for (let at = begin; at < tileEnd; at += 16, tile += 64) {
      const from = v128.load(base + at);
      // The bits of -0 are the smallest integer.
      least = i32x4.min_s(least, from);
      let under0 = v128.load(tile, 16);
      let under1 = v128.load(tile, 48);
      if (plain) {
        under0 = f64x2.pmax(ones, f64x2.sub(under0, limit));
        under1 = f64x2.pmax(ones, f64x2.sub(under1, limit));
      } else {
        under0 = v128.bitselect(under0, ones, f64x2.ge(v128.and(under0, magnitude), limit));
        under1 = v128.bitselect(under1, ones, f64x2.ge(v128.and(under1, magnitude), limit));
      }
      const moved0 = f64x2.div(f64x2.mul(lambdas, v128.load(tile)), under0);
      const moved1 = f64x2.div(f64x2.mul(lambdas, v128.load(tile, 32)), under1);
      const sum0 = f64x2.add(f64x2.promote_low_f32x4(from), moved0);
      const sum1 = f64x2.add(f64x2.promote_low_f32x4(v128.load_zero<u64>(base + at, 8)), moved1);
      // x - x is 0, or NaN where x is not finite.
      if (sizeof<Out>() == sizeof<F64>()) {
        v128.store(result + 2 * at, sum0);
        v128.store(result + 2 * at, sum1, 16);
        check = f64x2.add(check, f64x2.add(f64x2.sub(sum0, sum0), f64x2.sub(sum1, sum1)));
      } else {
        const both = v128.shuffle<u64>(f32x4.demote_f64x2_zero(sum0), f32x4.demote_f64x2_zero(sum1), 0, 2);
        v128.store(result + at, both);
        check = f32x4.add(check, f32x4.sub(both, both));
      }
    }
  }
  const finite = sizeof<Out>() == sizeof<F64>() ? f64x2.eq(check, check) : f32x4.eq(check, check);
  const unsigned = i32x4.ne(least, i32x4.splat(0x80000000));
  return i32(!i32x4.all_true(v128.and(finite, unsigned)));
}
