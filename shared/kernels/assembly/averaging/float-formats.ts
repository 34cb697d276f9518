/**
 * The float formats, each under a type that the compiler can branch on: AssemblyScript has no 16-bit floats, so a signed
 * 16-bit integer stands for IEEE half and an unsigned one for bfloat16.
 */
export type F32 = f32;
export type F64 = f64;
export type HALF = i16;
export type BFLOAT16 = u16;

/** Bits of the stored fraction of a 16-bit format. */
// @ts-ignore: decorator
@inline
function fractionBits<T>(): i32 {
  return isSigned<T>() ? 10 : 7;
}

/** Exponent of the smallest normal number of a 16-bit format. */
// @ts-ignore: decorator
@inline
function smallestExponent<T>(): i32 {
  return isSigned<T>() ? -14 : -126;
}

/** Magnitudes from here on round to infinity: half a step above the largest finite number. */
// @ts-ignore: decorator
@inline
function overflowLimit<T>(): f64 {
  if (sizeof<T>() == 8) return Infinity;
  if (sizeof<T>() == 4) return reinterpret<f64>(<u64>0x47effffff0000000);
  return isSigned<T>() ? 65520.0 : reinterpret<f64>(<u64>0x47eff00000000000);
}

/** One element as float64; exact in every format. */
// @ts-ignore: decorator
@inline
export function decode<T>(address: usize): f64 {
  if (sizeof<T>() == 8) return load<f64>(address);
  if (sizeof<T>() == 4) return f64(load<f32>(address));
  const bits = <u32>load<u16>(address);
  if (!isSigned<T>()) return f64(reinterpret<f32>(bits << 16));
  const magnitude = bits & 0x7fff;
  const sign = (bits & 0x8000) << 16;
  if (magnitude < 0x400) return f64(reinterpret<f32>(reinterpret<u32>(<f32>magnitude * <f32>5.9604644775390625e-8) | sign));
  const bias: u32 = magnitude > 0x7bff ? 224 << 23 : 112 << 23;
  return f64(reinterpret<f32>(((magnitude << 13) + bias) | sign));
}

/**
 * Rounds one float64 to the format, once, to nearest even.
 *
 * For 16-bit formats: adding 1.5 * 2^52 steps of the target's grid leaves the multiple of that step in the low bits of
 * the sum, rounded to nearest even by the addition itself. Below the smallest normal number the grid stays as it is
 * there, which gives subnormals; a carry out of the fraction runs into the exponent, as it should.
 * @returns 1 where the result is not finite
 */
// @ts-ignore: decorator
@inline
export function encode<T>(address: usize, value: f64): i32 {
  const magnitude = abs(value);
  if (!(magnitude < overflowLimit<T>())) return encodeNonFinite<T>(address, value);
  if (sizeof<T>() == 8) store<f64>(address, value);
  else if (sizeof<T>() == 4) store<f32>(address, f32(value));
  else {
    const fraction = fractionBits<T>();
    const power = max(
      reinterpret<f64>(reinterpret<u64>(magnitude) & 0x7ff0000000000000),
      reinterpret<f64>(<u64>(smallestExponent<T>() + 1023) << 52),
    );
    const shifted = magnitude + power * reinterpret<f64>((<u64>(1023 + 52 - fraction) << 52) | (<u64>1 << 51));
    const bits =
      (reinterpret<u64>(shifted) & 0xfff) +
      (reinterpret<u64>(power) >> (52 - fraction)) -
      (<u64>(smallestExponent<T>() + 1023) << fraction);
    store<u16>(address, <u16>(bits | ((reinterpret<u64>(value) >> 48) & 0x8000)));
  }
  return 0;
}

/** Infinity, or the one quiet NaN: WebAssembly leaves the bits of a NaN result to the machine. */
function encodeNonFinite<T>(address: usize, value: f64): i32 {
  const nan = value != value;
  const sign = <u32>(reinterpret<u64>(value) >> 63);
  if (sizeof<T>() == 8) store<u64>(address, nan ? 0x7ff8000000000000 : (<u64>sign << 63) | 0x7ff0000000000000);
  else if (sizeof<T>() == 4) store<u32>(address, nan ? 0x7fc00000 : (sign << 31) | 0x7f800000);
  else if (isSigned<T>()) store<u16>(address, <u16>(nan ? 0x7e00 : (sign << 15) | 0x7c00));
  else store<u16>(address, <u16>(nan ? 0x7fc0 : (sign << 15) | 0x7f80));
  return 1;
}

/** Bits of the factor that turns a power of two into 1.5 * 2^52 steps of the format's grid there. */
// @ts-ignore: decorator
@inline
export function gridBits<T>(): i64 {
  return (<i64>(1023 + 52 - fractionBits<T>()) << 52) | (<i64>1 << 51);
}

/** Bits of the smallest normal number, as float64. */
// @ts-ignore: decorator
@inline
export function smallestBits<T>(): i64 {
  return <i64>(smallestExponent<T>() + 1023) << 52;
}

/**
 * {@link encode} of four float64 to a 16-bit format, one in each 32-bit lane, without the sign. Numbers that are not
 * finite, or would not be, come out above the format's largest finite one.
 */
// @ts-ignore: decorator
@inline
function encodeFour<T>(a: v128, b: v128, exponentMask: v128, smallest: v128, grid: v128, bias: v128): v128 {
  const aPower = f64x2.pmax(v128.and(a, exponentMask), smallest);
  const bPower = f64x2.pmax(v128.and(b, exponentMask), smallest);
  const aShifted = f64x2.add(f64x2.abs(a), f64x2.mul(aPower, grid));
  const bShifted = f64x2.add(f64x2.abs(b), f64x2.mul(bPower, grid));
  const steps = v128.shuffle<u32>(aShifted, bShifted, 0, 2, 4, 6);
  const powers = i32x4.shr_u(v128.shuffle<u32>(aPower, bPower, 1, 3, 5, 7), 20 - fractionBits<T>());
  return i32x4.add(steps, i32x4.sub(powers, bias));
}

/** The signs of four float64, at bit 15 of each 32-bit lane. */
// @ts-ignore: decorator
@inline
function signsOfFour(a: v128, b: v128): v128 {
  return i32x4.shl(i32x4.shr_u(v128.shuffle<u32>(a, b, 1, 3, 5, 7), 31), 15);
}

/** Largest finite number of a 16-bit format, as its bits. */
// @ts-ignore: decorator
@inline
export function largestBits<T>(): i32 {
  return isSigned<T>() ? 0x7bff : 0x7f7f;
}

/** What {@link encodeFour} subtracts: the exponent field of the smallest normal number, in the format's place. */
// @ts-ignore: decorator
@inline
export function encodeBias<T>(): i32 {
  return (smallestExponent<T>() + 1023) << fractionBits<T>();
}

/**
 * Rounds eight float64 to the format and stores them. The arithmetic is that of {@link encode}. The vectors after `d` are
 * constants that the caller holds in registers; only 16-bit formats use them.
 * @returns how many results are not finite
 */
// @ts-ignore: decorator
@inline
export function encodeEight<T>(
  address: usize,
  a: v128,
  b: v128,
  c: v128,
  d: v128,
  exponentMask: v128,
  smallest: v128,
  grid: v128,
  bias: v128,
  largest: v128,
): i32 {
  if (sizeof<T>() == 8) {
    // x - x is 0, or NaN where x is not finite.
    const check = f64x2.add(
      f64x2.add(f64x2.sub(a, a), f64x2.sub(b, b)),
      f64x2.add(f64x2.sub(c, c), f64x2.sub(d, d)),
    );
    if (!i64x2.all_true(f64x2.eq(check, check))) return encodeOneByOne<T>(address, a, b, c, d);
    v128.store(address, a);
    v128.store(address, b, 16);
    v128.store(address, c, 32);
    v128.store(address, d, 48);
  } else if (sizeof<T>() == 4) {
    const low = v128.shuffle<u64>(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 2);
    const high = v128.shuffle<u64>(f32x4.demote_f64x2_zero(c), f32x4.demote_f64x2_zero(d), 0, 2);
    const check = f32x4.add(f32x4.sub(low, low), f32x4.sub(high, high));
    if (!i32x4.all_true(f32x4.eq(check, check))) return encodeOneByOne<T>(address, a, b, c, d);
    v128.store(address, low);
    v128.store(address, high, 16);
  } else {
    const low = encodeFour<T>(a, b, exponentMask, smallest, grid, bias);
    const high = encodeFour<T>(c, d, exponentMask, smallest, grid, bias);
    if (v128.any_true(v128.or(i32x4.gt_s(low, largest), i32x4.gt_s(high, largest)))) {
      return encodeOneByOne<T>(address, a, b, c, d);
    }
    v128.store(
      address,
      i16x8.narrow_i32x4_u(v128.or(low, signsOfFour(a, b)), v128.or(high, signsOfFour(c, d))),
    );
  }
  return 0;
}

function encodeOneByOne<T>(address: usize, a: v128, b: v128, c: v128, d: v128): i32 {
  const size = sizeof<T>();
  return (
    encode<T>(address, f64x2.extract_lane(a, 0)) +
    encode<T>(address + size, f64x2.extract_lane(a, 1)) +
    encode<T>(address + 2 * size, f64x2.extract_lane(b, 0)) +
    encode<T>(address + 3 * size, f64x2.extract_lane(b, 1)) +
    encode<T>(address + 4 * size, f64x2.extract_lane(c, 0)) +
    encode<T>(address + 5 * size, f64x2.extract_lane(c, 1)) +
    encode<T>(address + 6 * size, f64x2.extract_lane(d, 0)) +
    encode<T>(address + 7 * size, f64x2.extract_lane(d, 1))
  );
}
