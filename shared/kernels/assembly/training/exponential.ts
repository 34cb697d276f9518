/**
 * e^x of four values, to about 1e-7 of the result: 2^n times a polynomial in the rest (the coefficients of Cephes's expf).
 * Below the range of normal numbers it is exactly 0; NaN stays NaN. For x up to 88.
 */
@inline
export function exponential(x: v128): v128 {
  const inside = f32x4.pmin(f32x4.pmax(x, f32x4.splat(-87.33)), f32x4.splat(88.37));
  const n = f32x4.nearest(f32x4.mul(inside, f32x4.splat(1.44269504088896341)));
  // ln 2 in two parts, the first exact in few bits.
  let r = f32x4.relaxed_madd(n, f32x4.splat(-0.693359375), inside);
  r = f32x4.relaxed_madd(n, f32x4.splat(2.1219444e-4), r);
  let sum = f32x4.splat(1.9875691e-4);
  sum = f32x4.relaxed_madd(sum, r, f32x4.splat(1.3981999e-3));
  sum = f32x4.relaxed_madd(sum, r, f32x4.splat(8.3334519e-3));
  sum = f32x4.relaxed_madd(sum, r, f32x4.splat(4.1665796e-2));
  sum = f32x4.relaxed_madd(sum, r, f32x4.splat(0.16666665));
  sum = f32x4.relaxed_madd(sum, r, f32x4.splat(0.5));
  sum = f32x4.relaxed_madd(f32x4.mul(sum, r), r, f32x4.add(r, f32x4.splat(1)));
  const power = i32x4.shl(i32x4.add(i32x4.relaxed_trunc_f32x4_s(n), i32x4.splat(127)), 23);
  return v128.andnot(f32x4.mul(sum, power), f32x4.lt(x, f32x4.splat(-87.33)));
}

/** The sum of the four lanes. */
@inline
export function sumOfLanes(x: v128): f32 {
  const left = f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1);
  return left + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}
