import { freeLanes, isFrozen, lowBits, nextBits } from "./frozen-lanes";

/**
 * Sum of the squares of the free entries in float64, always in the same order. Frozen entries count for nothing,
 * NaN and infinities included.
 * @param frozen one bit an entry (`frozen-lanes.ts`), in whole words of 32; or 0 where nothing is frozen
 */
export function squaredNorm(gradient: usize, frozen: usize, count: i32): f64 {
  let sum0 = f64x2.splat(0);
  let sum1 = sum0;
  let sum2 = sum0;
  let sum3 = sum0;
  const lanes0 = lowBits(i32(count > 0));
  const lanes1 = i32x4.shl(lanes0, 4);
  let bits = lanes0;
  const whole = count & ~7;
  for (let i = 0; i < whole; i += 8) {
    const at = gradient + ((<usize>i) << 2);
    let low = v128.load(at);
    let high = v128.load(at, 16);
    if (frozen != 0) {
      bits = nextBits(frozen, bits, i, 8);
      low = v128.and(low, freeLanes(bits, lanes0));
      high = v128.and(high, freeLanes(bits, lanes1));
    }
    const a = f64x2.promote_low_f32x4(low);
    const b = f64x2.promote_low_f32x4(v128.shuffle<u64>(low, low, 1, 1));
    const c = f64x2.promote_low_f32x4(high);
    const d = f64x2.promote_low_f32x4(v128.shuffle<u64>(high, high, 1, 1));
    sum0 = f64x2.add(sum0, f64x2.mul(a, a));
    sum1 = f64x2.add(sum1, f64x2.mul(b, b));
    sum2 = f64x2.add(sum2, f64x2.mul(c, c));
    sum3 = f64x2.add(sum3, f64x2.mul(d, d));
  }
  const sums = f64x2.add(f64x2.add(sum0, sum1), f64x2.add(sum2, sum3));
  let total = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  for (let i = whole; i < count; i++) {
    if (isFrozen(frozen, i)) continue;
    const value = <f64>load<f32>(gradient + ((<usize>i) << 2));
    total += value * value;
  }
  return total;
}
