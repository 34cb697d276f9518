import { loadOne, loadTwo } from "./rows";

/**
 * Dot products of rows, or of their differences from a base, in float64. Each product is four interleaved sums, which
 * are added up in the end, s0 + s1 + (s2 + s3); what is left over goes to s0. That order is part of the result.
 *
 * Writes a·a, a·b and b·b.
 */
@inline
function squaresOver<T>(a: usize, b: usize, base: usize, count: i32, out: usize, differs: bool): void {
  let aa0 = f64x2.splat(0);
  let aa1 = aa0;
  let ab0 = aa0;
  let ab1 = aa0;
  let bb0 = aa0;
  let bb1 = aa0;
  const step: usize = 2 * sizeof<T>();
  const whole = count & ~3;
  const end = a + <usize>whole * sizeof<T>();
  while (a < end) {
    let x0 = loadTwo<T>(a);
    let x1 = loadTwo<T>(a + step);
    let y0 = loadTwo<T>(b);
    let y1 = loadTwo<T>(b + step);
    if (differs) {
      const z0 = loadTwo<T>(base);
      const z1 = loadTwo<T>(base + step);
      x0 = f64x2.sub(x0, z0);
      x1 = f64x2.sub(x1, z1);
      y0 = f64x2.sub(y0, z0);
      y1 = f64x2.sub(y1, z1);
      base += 2 * step;
    }
    aa0 = f64x2.add(aa0, f64x2.mul(x0, x0));
    aa1 = f64x2.add(aa1, f64x2.mul(x1, x1));
    ab0 = f64x2.add(ab0, f64x2.mul(x0, y0));
    ab1 = f64x2.add(ab1, f64x2.mul(x1, y1));
    bb0 = f64x2.add(bb0, f64x2.mul(y0, y0));
    bb1 = f64x2.add(bb1, f64x2.mul(y1, y1));
    a += 2 * step;
    b += 2 * step;
  }
  for (let at = whole; at < count; at++) {
    let x = loadOne<T>(a);
    let y = loadOne<T>(b);
    if (differs) {
      const z = loadOne<T>(base);
      x -= z;
      y -= z;
      base += sizeof<T>();
    }
    aa0 = addFirst(aa0, x * x);
    ab0 = addFirst(ab0, x * y);
    bb0 = addFirst(bb0, y * y);
    a += sizeof<T>();
    b += sizeof<T>();
  }
  store<f64>(out, total(aa0, aa1));
  store<f64>(out, total(ab0, ab1), 8);
  store<f64>(out, total(bb0, bb1), 16);
}

/** Writes a·c, a·d, b·c and b·d, in the same order. */
@inline
function crossesOver<T>(
  a: usize,
  b: usize,
  c: usize,
  d: usize,
  base: usize,
  count: i32,
  out: usize,
  differs: bool,
): void {
  let ac0 = f64x2.splat(0);
  let ac1 = ac0;
  let ad0 = ac0;
  let ad1 = ac0;
  let bc0 = ac0;
  let bc1 = ac0;
  let bd0 = ac0;
  let bd1 = ac0;
  const step: usize = 2 * sizeof<T>();
  const whole = count & ~3;
  let at: usize = 0;
  const end = <usize>whole * sizeof<T>();
  for (; at < end; at += 2 * step) {
    let x = loadTwo<T>(a + at);
    let y = loadTwo<T>(b + at);
    let u = loadTwo<T>(c + at);
    let v = loadTwo<T>(d + at);
    if (differs) {
      const z = loadTwo<T>(base + at);
      x = f64x2.sub(x, z);
      y = f64x2.sub(y, z);
      u = f64x2.sub(u, z);
      v = f64x2.sub(v, z);
    }
    ac0 = f64x2.add(ac0, f64x2.mul(x, u));
    ad0 = f64x2.add(ad0, f64x2.mul(x, v));
    bc0 = f64x2.add(bc0, f64x2.mul(y, u));
    bd0 = f64x2.add(bd0, f64x2.mul(y, v));
    x = loadTwo<T>(a + at + step);
    y = loadTwo<T>(b + at + step);
    u = loadTwo<T>(c + at + step);
    v = loadTwo<T>(d + at + step);
    if (differs) {
      const z = loadTwo<T>(base + at + step);
      x = f64x2.sub(x, z);
      y = f64x2.sub(y, z);
      u = f64x2.sub(u, z);
      v = f64x2.sub(v, z);
    }
    ac1 = f64x2.add(ac1, f64x2.mul(x, u));
    ad1 = f64x2.add(ad1, f64x2.mul(x, v));
    bc1 = f64x2.add(bc1, f64x2.mul(y, u));
    bd1 = f64x2.add(bd1, f64x2.mul(y, v));
  }
  for (let rest = whole; rest < count; rest++, at += sizeof<T>()) {
    let z: f64 = 0;
    if (differs) z = loadOne<T>(base + at);
    const x = differs ? loadOne<T>(a + at) - z : loadOne<T>(a + at);
    const y = differs ? loadOne<T>(b + at) - z : loadOne<T>(b + at);
    const u = differs ? loadOne<T>(c + at) - z : loadOne<T>(c + at);
    const v = differs ? loadOne<T>(d + at) - z : loadOne<T>(d + at);
    ac0 = addFirst(ac0, x * u);
    ad0 = addFirst(ad0, x * v);
    bc0 = addFirst(bc0, y * u);
    bd0 = addFirst(bd0, y * v);
  }
  store<f64>(out, total(ac0, ac1));
  store<f64>(out, total(ad0, ad1), 8);
  store<f64>(out, total(bc0, bc1), 16);
  store<f64>(out, total(bd0, bd1), 24);
}

@inline
function addFirst(sums: v128, value: f64): v128 {
  return f64x2.replace_lane(sums, 0, f64x2.extract_lane(sums, 0) + value);
}

@inline
function total(first: v128, second: v128): f64 {
  return (
    f64x2.extract_lane(first, 0) +
    f64x2.extract_lane(first, 1) +
    (f64x2.extract_lane(second, 0) + f64x2.extract_lane(second, 1))
  );
}

export function squares<T>(a: usize, b: usize, base: usize, count: i32, out: usize): void {
  if (base != 0) squaresOver<T>(a, b, base, count, out, true);
  else squaresOver<T>(a, b, 0, count, out, false);
}

export function crosses<T>(a: usize, b: usize, c: usize, d: usize, base: usize, count: i32, out: usize): void {
  if (base != 0) crossesOver<T>(a, b, c, d, base, count, out, true);
  else crossesOver<T>(a, b, c, d, 0, count, out, false);
}
