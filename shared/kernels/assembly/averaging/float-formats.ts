/**
 * The float formats, each under a type that the compiler can branch on: AssemblyScript has no narrow floats, so of the 16-bit
 * integers the signed one stands for IEEE half and the unsigned one for bfloat16, and of the 8-bit ones the signed one for
 * E4M3 and the unsigned one for E5M2.
 * @see https://www.opencompute.org/documents/ocp-8-bit-floating-point-specification-ofp8-revision-1-0-2023-12-01-pdf-1
 */
export type F32 = f32;
export type F64 = f64;
export type HALF = i16;
export type BFLOAT16 = u16;
/** No infinity: the pattern of all ones is NaN, and the numbers go on to 448. */
export type E4M3 = i8;
export type E5M2 = u8;

@inline
export function isBfloat16<T>(): bool {
  return sizeof<T>() == 2 && !isSigned<T>();
}

/** Bits of the stored fraction of a narrow format. */
@inline
function fractionBits<T>(): i32 {
  if (sizeof<T>() == 1) return isSigned<T>() ? 3 : 2;
  return isSigned<T>() ? 10 : 7;
}

/** Exponent of the smallest normal number of a narrow format. */
@inline
function smallestExponent<T>(): i32 {
  if (sizeof<T>() == 1) return isSigned<T>() ? -6 : -14;
  return isSigned<T>() ? -14 : -126;
}

/**
 * Magnitudes from here on round to infinity: half a step above the largest finite number, where the tie goes up. In E4M3
 * it goes down, to 448, so the limit is the next float64.
 */
@inline
function overflowLimit<T>(): f64 {
  if (sizeof<T>() == 8) return Infinity;
  if (sizeof<T>() == 4) return reinterpret<f64>(<u64>0x47effffff0000000);
  if (sizeof<T>() == 1) return isSigned<T>() ? reinterpret<f64>(<u64>0x407d000000000001) : 61440.0;
  return isSigned<T>() ? 65520.0 : reinterpret<f64>(<u64>0x47eff00000000000);
}

/** Bits by which a narrow format's exponent field lacks the eight of float32. */
@inline
export function fieldShift<T>(): i32 {
  if (sizeof<T>() == 1 && isSigned<T>()) return 4;
  return 3;
}

/** Sign, exponent and fraction of a narrow format, after its pattern was shifted right from the top of a word. */
@inline
export function fieldMaskOf<T>(): i32 {
  if (sizeof<T>() == 1 && isSigned<T>()) return 0x87f00000;
  return 0x8fffe000;
}

/** The float32 that makes up for the difference in exponent bias: 2^120 for E4M3, else 2^112. */
@inline
export function fieldScaleOf<T>(): i32 {
  if (sizeof<T>() == 1 && isSigned<T>()) return 0x7b800000;
  return 0x77800000;
}

/** The bits, in both halves of a word, that are all ones in NaN and infinity and in nothing else. */
@inline
export function specialOf<T>(): i32 {
  if (sizeof<T>() == 1 && isSigned<T>()) return 0x7f007f00;
  return 0x7c007c00;
}

/** Eight bytes, each in the upper half of a 16-bit lane. */
@inline
export function widenBytes(address: usize): v128 {
  return i16x8.shl(v128.load_ext<u8>(address), 8);
}

/** One element as float64; exact in every format. */
@inline
export function decode<T>(address: usize): f64 {
  if (sizeof<T>() == 8) return load<f64>(address);
  if (sizeof<T>() == 4) return f64(load<f32>(address));
  const bits = sizeof<T>() == 1 ? <u32>load<u8>(address) << 8 : <u32>load<u16>(address);
  if (isBfloat16<T>()) return f64(reinterpret<f32>(bits << 16));
  const special = <u32>specialOf<T>() & 0x7fff;
  if ((bits & special) == special) {
    const infinite = !(sizeof<T>() == 1 && isSigned<T>()) && (bits & 0x7fff) == special;
    return infinite ? (bits >> 15 ? -Infinity : Infinity) : NaN;
  }
  const field = <u32>(<i32>(bits << 16) >> fieldShift<T>()) & <u32>fieldMaskOf<T>();
  return f64(reinterpret<f32>(field) * reinterpret<f32>(fieldScaleOf<T>()));
}

/**
 * Rounds one float64 to the format, once, to nearest even.
 *
 * For narrow formats: adding 1.5 * 2^52 steps of the target's grid leaves the multiple of that step in the low bits of
 * the sum, rounded to nearest even by the addition itself. Below the smallest normal number the grid stays as it is
 * there, which gives subnormals; a carry out of the fraction runs into the exponent, as it should.
 * @returns 1 where the result is not finite
 */
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
    const sign = reinterpret<u64>(value) >> 63;
    if (sizeof<T>() == 1) store<u8>(address, <u8>(bits | (sign << 7)));
    else store<u16>(address, <u16>(bits | (sign << 15)));
  }
  return 0;
}

/**
 * Infinity, or the one quiet NaN: WebAssembly leaves the bits of a NaN result to the machine. E4M3 has no infinity, so there
 * a number too large becomes a NaN that keeps the sign, as in the specification's conversion without saturation.
 */
function encodeNonFinite<T>(address: usize, value: f64): i32 {
  const nan = value != value;
  const sign = <u32>(reinterpret<u64>(value) >> 63);
  if (sizeof<T>() == 8) store<u64>(address, nan ? 0x7ff8000000000000 : (<u64>sign << 63) | 0x7ff0000000000000);
  else if (sizeof<T>() == 4) store<u32>(address, nan ? 0x7fc00000 : (sign << 31) | 0x7f800000);
  else if (sizeof<T>() == 1) {
    if (isSigned<T>()) store<u8>(address, <u8>(nan ? 0x7f : (sign << 7) | 0x7f));
    else store<u8>(address, <u8>(nan ? 0x7e : (sign << 7) | 0x7c));
  } else if (isSigned<T>()) store<u16>(address, <u16>(nan ? 0x7e00 : (sign << 15) | 0x7c00));
  else store<u16>(address, <u16>(nan ? 0x7fc0 : (sign << 15) | 0x7f80));
  return 1;
}

/** Bits of the factor that turns a power of two into 1.5 * 2^52 steps of the format's grid there. */
@inline
export function gridBits<T>(): i64 {
  return (<i64>(1023 + 52 - fractionBits<T>()) << 52) | (<i64>1 << 51);
}

/** Bits of the smallest normal number, as float64. */
@inline
export function smallestBits<T>(): i64 {
  return <i64>(smallestExponent<T>() + 1023) << 52;
}

/**
 * {@link encode} of four float64 to a narrow format, one in each 32-bit lane, without the sign. Numbers that are not
 * finite, or would not be, come out above the format's largest finite one.
 */
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

/** The signs of four float64, each at the top bit of the format in its 32-bit lane. */
@inline
function signsOfFour<T>(a: v128, b: v128): v128 {
  return i32x4.shl(i32x4.shr_u(v128.shuffle<u32>(a, b, 1, 3, 5, 7), 31), 8 * sizeof<T>() - 1);
}

/** Largest finite number of a narrow format, as its bits. */
@inline
export function largestBits<T>(): i32 {
  if (sizeof<T>() == 1) return isSigned<T>() ? 0x7e : 0x7b;
  return isSigned<T>() ? 0x7bff : 0x7f7f;
}

/** What {@link encodeFour} subtracts: the exponent field of the smallest normal number, in the format's place. */
@inline
export function encodeBias<T>(): i32 {
  return (smallestExponent<T>() + 1023) << fractionBits<T>();
}

/**
 * Rounds eight float64 to the format and stores them. The arithmetic is that of {@link encode}. The vectors after `d` are
 * constants that the caller holds in registers; only narrow formats use them.
 * @returns how many results are not finite
 */
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
    const halves = i16x8.narrow_i32x4_u(v128.or(low, signsOfFour<T>(a, b)), v128.or(high, signsOfFour<T>(c, d)));
    if (sizeof<T>() == 2) v128.store(address, halves);
    else v128.store_lane<u64>(address, i8x16.narrow_i16x8_u(halves, halves), 0);
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
