/** Activations, element by element, and their gradients. `out` may be any of the inputs. */
import { exponential } from "./exponential";

/** The upstream gradient where `output` is not 0 or below, else 0. NaN outputs let it through, as in PyTorch. */
export function reluGradient(upstream: usize, output: usize, out: usize, count: i32): void {
  const zero = f32x4.splat(0);
  const whole = count & ~3;
  for (let i = 0; i < whole; i += 4) {
    const at = (<usize>i) << 2;
    v128.store(out + at, v128.andnot(v128.load(upstream + at), f32x4.le(v128.load(output + at), zero)));
  }
  for (let i = whole; i < count; i++) {
    const at = (<usize>i) << 2;
    store<f32>(out + at, load<f32>(output + at) <= 0 ? 0 : load<f32>(upstream + at));
  }
}

/** out = x Φ(x), with the error function (arXiv:1606.08415). */
export function gelu(input: usize, out: usize, count: i32): void {
  const whole = count & ~3;
  for (let i = 0; i < whole; i += 4) {
    const at = (<usize>i) << 2;
    const x = v128.load(input + at);
    v128.store(out + at, f32x4.mul(x, cumulative(x, density(x))));
  }
  for (let i = whole; i < count; i++) {
    const at = (<usize>i) << 2;
    const x = v128.load32_zero(input + at);
    v128.store_lane<f32>(out + at, f32x4.mul(x, cumulative(x, density(x))), 0);
  }
}

/** out = upstream (Φ(x) + x φ(x)). */
export function geluGradient(upstream: usize, input: usize, out: usize, count: i32): void {
  const whole = count & ~3;
  for (let i = 0; i < whole; i += 4) {
    const at = (<usize>i) << 2;
    v128.store(out + at, f32x4.mul(v128.load(upstream + at), geluSlope(v128.load(input + at))));
  }
  for (let i = whole; i < count; i++) {
    const at = (<usize>i) << 2;
    const slope = geluSlope(v128.load32_zero(input + at));
    v128.store_lane<f32>(out + at, f32x4.mul(v128.load32_zero(upstream + at), slope), 0);
  }
}

@inline
function geluSlope(x: v128): v128 {
  const bell = density(x);
  const scaled = f32x4.mul(bell, f32x4.splat(0.3989422804014327)); // 1 / sqrt(2 pi)
  return f32x4.relaxed_madd(x, scaled, cumulative(x, bell));
}

/** e^(-x^2 / 2). */
@inline
function density(x: v128): v128 {
  return exponential(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5)));
}

/**
 * Φ(x), the standard normal distribution function, to 1e-7: Abramowitz and Stegun 7.1.26, whose exponential is the density
 * that the gradient needs anyway.
 */
@inline
function cumulative(x: v128, bell: v128): v128 {
  const size = f32x4.mul(f32x4.abs(x), f32x4.splat(0.7071067811865476));
  const one = f32x4.splat(1);
  const t = f32x4.div(one, f32x4.add(one, f32x4.mul(size, f32x4.splat(0.3275911))));
  let sum = f32x4.splat(1.061405429);
  sum = f32x4.relaxed_madd(sum, t, f32x4.splat(-1.453152027));
  sum = f32x4.relaxed_madd(sum, t, f32x4.splat(1.421413741));
  sum = f32x4.relaxed_madd(sum, t, f32x4.splat(-0.284496736));
  sum = f32x4.relaxed_madd(sum, t, f32x4.splat(0.254829592));
  const half = f32x4.mul(f32x4.mul(sum, t), f32x4.mul(bell, f32x4.splat(0.5)));
  return v128.bitselect(half, f32x4.sub(one, half), f32x4.lt(x, f32x4.splat(0)));
}
