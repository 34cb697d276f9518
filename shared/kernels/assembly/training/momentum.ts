import { freeLanes, isFrozen, lowBits, nextBits } from "./frozen-lanes";

/**
 * One step of SGD as PyTorch has it (torch.optim.SGD, dampening 0), in place. With g the gradient:
 * d = scale g + decay w; v = momentum v + d; then d = d + momentum v (Nesterov) or d = v; w = w - rate d.
 *
 * A frozen entry keeps its bits and a velocity of +0, whatever the gradient, NaN and infinities included.
 * @param velocity 0 for none: then w = w - rate d
 * @param frozen one bit an entry (`frozen-lanes.ts`), in whole words of 32; or 0 where nothing is frozen
 */
export function momentumUpdate(
  weights: usize,
  velocity: usize,
  gradient: usize,
  frozen: usize,
  count: i32,
  momentum: f32,
  rate: f32,
  scale: f32,
  decay: f32,
  nesterov: bool,
): void {
  const momenta = f32x4.splat(momentum);
  const rates = f32x4.splat(rate);
  const scales = f32x4.splat(scale);
  const decays = f32x4.splat(decay);
  const whole = count & ~7;
  if (frozen == 0) {
    for (let i = 0; i < whole; i += 4) {
      const at = (<usize>i) << 2;
      const w = v128.load(weights + at);
      let d = f32x4.mul(scales, v128.load(gradient + at));
      if (decay != 0) d = f32x4.add(d, f32x4.mul(decays, w));
      if (velocity != 0) {
        const v = f32x4.add(f32x4.mul(momenta, v128.load(velocity + at)), d);
        v128.store(velocity + at, v);
        d = nesterov ? f32x4.add(d, f32x4.mul(momenta, v)) : v;
      }
      v128.store(weights + at, f32x4.sub(w, f32x4.mul(rates, d)));
    }
  } else {
    const lanes0 = lowBits(i32(count > 0));
    const lanes1 = i32x4.shl(lanes0, 4);
    let bits = lanes0;
    for (let i = 0; i < whole; i += 8) {
      const at = (<usize>i) << 2;
      bits = nextBits(frozen, bits, i, 8);
      const free0 = freeLanes(bits, lanes0);
      const free1 = freeLanes(bits, lanes1);
      const w0 = v128.load(weights + at);
      const w1 = v128.load(weights + at, 16);
      let d0 = f32x4.mul(scales, v128.load(gradient + at));
      let d1 = f32x4.mul(scales, v128.load(gradient + at, 16));
      if (decay != 0) {
        d0 = f32x4.add(d0, f32x4.mul(decays, w0));
        d1 = f32x4.add(d1, f32x4.mul(decays, w1));
      }
      if (velocity != 0) {
        const v0 = v128.and(f32x4.add(f32x4.mul(momenta, v128.load(velocity + at)), d0), free0);
        const v1 = v128.and(f32x4.add(f32x4.mul(momenta, v128.load(velocity + at, 16)), d1), free1);
        v128.store(velocity + at, v0);
        v128.store(velocity + at, v1, 16);
        d0 = nesterov ? f32x4.add(d0, f32x4.mul(momenta, v0)) : v0;
        d1 = nesterov ? f32x4.add(d1, f32x4.mul(momenta, v1)) : v1;
      }
      // Subtracting 0 would keep the value but quieten a signalling NaN, so the old bits are chosen instead. The lanes
      // of the masks are all ones or all zeros, for which the relaxed selection is exact, and one instruction.
      v128.store(weights + at, i32x4.relaxed_laneselect(f32x4.sub(w0, f32x4.mul(rates, d0)), w0, free0));
      v128.store(weights + at, i32x4.relaxed_laneselect(f32x4.sub(w1, f32x4.mul(rates, d1)), w1, free1), 16);
    }
  }
  for (let i = whole; i < count; i++) {
    const at = (<usize>i) << 2;
    if (isFrozen(frozen, i)) {
      if (velocity != 0) store<f32>(velocity + at, 0);
      continue;
    }
    const w = load<f32>(weights + at);
    let d = scale * load<f32>(gradient + at);
    if (decay != 0) d = d + decay * w;
    if (velocity != 0) {
      const v = momentum * load<f32>(velocity + at) + d;
      store<f32>(velocity + at, v);
      d = nesterov ? d + momentum * v : v;
    }
    store<f32>(weights + at, w - rate * d);
  }
}
