/**
 * SGD with momentum as PyTorch has it (torch.optim.SGD, dampening 0): v = momentum v + g; w = w - rate v, in place.
 *
 * A frozen entry keeps its bits and a velocity of +0, whatever the gradient, NaN and infinities included.
 * @param frozen one bit an entry, entry 0 in the lowest bit of the first byte, 1 = frozen; or 0 where nothing is frozen
 */
export function momentumUpdate(
  weights: usize,
  velocity: usize,
  gradient: usize,
  frozen: usize,
  count: i32,
  momentum: f32,
  rate: f32,
): void {
  const momenta = f32x4.splat(momentum);
  const rates = f32x4.splat(rate);
  const whole = count & ~7;
  if (frozen == 0) {
    for (let i = 0; i < whole; i += 8) {
      const at = (<usize>i) << 2;
      const v0 = f32x4.add(f32x4.mul(momenta, v128.load(velocity + at)), v128.load(gradient + at));
      const v1 = f32x4.add(f32x4.mul(momenta, v128.load(velocity + at, 16)), v128.load(gradient + at, 16));
      v128.store(velocity + at, v0);
      v128.store(velocity + at, v1, 16);
      v128.store(weights + at, f32x4.sub(v128.load(weights + at), f32x4.mul(rates, v0)));
      v128.store(weights + at, f32x4.sub(v128.load(weights + at, 16), f32x4.mul(rates, v1)), 16);
    }
  } else {
    const bits0 = i32x4(1, 2, 4, 8);
    const bits1 = i32x4(16, 32, 64, 128);
    const none = i32x4.splat(0);
    for (let i = 0; i < whole; i += 8) {
      const at = (<usize>i) << 2;
      const bits = v128.load_splat<u8>(frozen + (<usize>i >> 3));
      const free0 = i32x4.eq(v128.and(bits, bits0), none);
      const free1 = i32x4.eq(v128.and(bits, bits1), none);
      const w0 = v128.load(weights + at);
      const w1 = v128.load(weights + at, 16);
      let v0 = f32x4.add(f32x4.mul(momenta, v128.load(velocity + at)), v128.load(gradient + at));
      let v1 = f32x4.add(f32x4.mul(momenta, v128.load(velocity + at, 16)), v128.load(gradient + at, 16));
      v0 = v128.and(v0, free0);
      v1 = v128.and(v1, free1);
      v128.store(velocity + at, v0);
      v128.store(velocity + at, v1, 16);
      // Subtracting 0 would keep the value but quieten a signalling NaN, so the old bits are chosen instead. The lanes
      // of the masks are all ones or all zeros, for which the relaxed selection is exact, and one instruction.
      v128.store(weights + at, i32x4.relaxed_laneselect(f32x4.sub(w0, f32x4.mul(rates, v0)), w0, free0));
      v128.store(weights + at, i32x4.relaxed_laneselect(f32x4.sub(w1, f32x4.mul(rates, v1)), w1, free1), 16);
    }
  }
  for (let i = whole; i < count; i++) {
    const at = (<usize>i) << 2;
    if (frozen != 0 && (load<u8>(frozen + (<usize>i >> 3)) >> (<u8>i & 7)) & 1) {
      store<f32>(velocity + at, 0);
      continue;
    }
    const v = momentum * load<f32>(velocity + at) + load<f32>(gradient + at);
    store<f32>(velocity + at, v);
    store<f32>(weights + at, load<f32>(weights + at) - rate * v);
  }
}
