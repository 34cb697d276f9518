import { freeLanes, isFrozen, lowBits, nextBits } from "./frozen-lanes";

/**
 * One step of Adam or AdamW as PyTorch has them (torch.optim, amsgrad off), in place. With g the gradient:
 * d = scale g + decay w; m = m + (1 - beta1)(d - m); v = beta2 v + (1 - beta2) d²;
 * w = shrink w - rate m / (root sqrt(v) + epsilon).
 *
 * Adam decays through `decay` (L2) and has `shrink` 1; AdamW the other way round. `rate` is the learning rate over
 * 1 - beta1^t, `root` is 1 / sqrt(1 - beta2^t). A frozen entry keeps its bits and moments of +0, whatever the gradient.
 * @param first m
 * @param second v
 * @param frozen one bit an entry (`frozen-lanes.ts`), in whole words of 32; or 0 where nothing is frozen
 * @param firstShare 1 - beta1
 * @param secondShare 1 - beta2
 */
export function adaptiveUpdate(
  weights: usize,
  first: usize,
  second: usize,
  gradient: usize,
  frozen: usize,
  count: i32,
  firstShare: f32,
  beta2: f32,
  secondShare: f32,
  rate: f32,
  root: f32,
  epsilon: f32,
  scale: f32,
  decay: f32,
  shrink: f32,
): void {
  const firstShares = f32x4.splat(firstShare);
  const betas = f32x4.splat(beta2);
  const secondShares = f32x4.splat(secondShare);
  const rates = f32x4.splat(rate);
  const roots = f32x4.splat(root);
  const epsilons = f32x4.splat(epsilon);
  const scales = f32x4.splat(scale);
  const decays = f32x4.splat(decay);
  const shrinks = f32x4.splat(shrink);
  const whole = count & ~3;
  const lanes = lowBits(i32(count > 0));
  let bits = lanes;
  let free = i32x4.splat(-1);
  for (let i = 0; i < whole; i += 4) {
    const at = (<usize>i) << 2;
    if (frozen != 0) {
      bits = nextBits(frozen, bits, i, 4);
      free = freeLanes(bits, lanes);
    }
    const w = v128.load(weights + at);
    let d = f32x4.mul(scales, v128.load(gradient + at));
    if (decay != 0) d = f32x4.add(d, f32x4.mul(decays, w));
    const m0 = v128.load(first + at);
    const m = v128.and(f32x4.add(m0, f32x4.mul(firstShares, f32x4.sub(d, m0))), free);
    const squares = f32x4.mul(f32x4.mul(secondShares, d), d);
    const v = v128.and(f32x4.add(f32x4.mul(betas, v128.load(second + at)), squares), free);
    v128.store(first + at, m);
    v128.store(second + at, v);
    const bound = f32x4.add(f32x4.mul(f32x4.sqrt(v), roots), epsilons);
    const moved = f32x4.sub(f32x4.mul(shrinks, w), f32x4.mul(rates, f32x4.div(m, bound)));
    // Exact, as in momentum.ts: the lanes are all ones or all zeros.
    v128.store(weights + at, i32x4.relaxed_laneselect(moved, w, free));
  }
  for (let i = whole; i < count; i++) {
    const at = (<usize>i) << 2;
    if (isFrozen(frozen, i)) {
      store<f32>(first + at, 0);
      store<f32>(second + at, 0);
      continue;
    }
    const w = load<f32>(weights + at);
    let d = scale * load<f32>(gradient + at);
    if (decay != 0) d = d + decay * w;
    const m0 = load<f32>(first + at);
    const m = m0 + firstShare * (d - m0);
    const v = beta2 * load<f32>(second + at) + secondShare * d * d;
    store<f32>(first + at, m);
    store<f32>(second + at, v);
    store<f32>(weights + at, shrink * w - rate * (m / (sqrt<f32>(v) * root + epsilon)));
  }
}
