/**
 * Normalisation of a matrix [rows, columns]: subtract the mean, divide by the deviation, scale and shift by column.
 * `Rows`: each row by itself (layer normalisation). `Columns`: each column by itself (batch normalisation).
 *
 * With x̂ = (x - m) / s, s = sqrt(v + epsilon), y = gamma x̂ + beta and g = gamma dL/dy:
 * dL/dx = (g - mean(g) - x̂ mean(g x̂)) / s, the means over what was normalised over.
 */
import { columnSums } from "./columns";
import { sumOfLanes } from "./exponential";

/**
 * @param gamma [columns], as `beta`
 * @param out [rows, columns]
 * @param normal [rows, columns]: x̂, for the gradient
 * @param inverse [rows]: 1 / s, for the gradient
 */
export function standardizeRows(
  x: usize,
  gamma: usize,
  beta: usize,
  out: usize,
  normal: usize,
  inverse: usize,
  rows: i32,
  columns: i32,
  epsilon: f32,
): void {
  const bytes = (<usize>columns) << 2;
  const whole = columns & ~3;
  const part: f32 = <f32>1 / <f32>columns;
  for (let row = 0; row < rows; row++, x += bytes, out += bytes, normal += bytes, inverse += 4) {
    let sums = f32x4.splat(0);
    for (let j = 0; j < whole; j += 4) sums = f32x4.add(sums, v128.load(x + ((<usize>j) << 2)));
    let sum: f32 = sumOfLanes(sums);
    for (let j = whole; j < columns; j++) sum += load<f32>(x + ((<usize>j) << 2));
    const mean = sum * part;
    const means = f32x4.splat(mean);
    sums = f32x4.splat(0);
    for (let j = 0; j < whole; j += 4) {
      const value = f32x4.sub(v128.load(x + ((<usize>j) << 2)), means);
      sums = f32x4.add(sums, f32x4.mul(value, value));
    }
    sum = sumOfLanes(sums);
    for (let j = whole; j < columns; j++) {
      const value = load<f32>(x + ((<usize>j) << 2)) - mean;
      sum += value * value;
    }
    const factor: f32 = <f32>1 / sqrt<f32>(sum * part + epsilon);
    store<f32>(inverse, factor);
    for (let j = 0; j < whole; j += 4) {
      const at = (<usize>j) << 2;
      const value = f32x4.mul(f32x4.sub(v128.load(x + at), means), f32x4.splat(factor));
      v128.store(normal + at, value);
      v128.store(out + at, f32x4.add(f32x4.mul(value, v128.load(gamma + at)), v128.load(beta + at)));
    }
    for (let j = whole; j < columns; j++) {
      const at = (<usize>j) << 2;
      const value = (load<f32>(x + at) - mean) * factor;
      store<f32>(normal + at, value);
      store<f32>(out + at, value * load<f32>(gamma + at) + load<f32>(beta + at));
    }
  }
}

/**
 * @param upstream [rows, columns]
 * @param out [rows, columns], the gradient with respect to x
 * @param gammaGradient [columns], written, as `betaGradient`
 */
export function standardizeRowsGradient(
  upstream: usize,
  normal: usize,
  inverse: usize,
  gamma: usize,
  out: usize,
  gammaGradient: usize,
  betaGradient: usize,
  rows: i32,
  columns: i32,
): void {
  columnSums(upstream, 0, normal, betaGradient, gammaGradient, rows, columns);
  const bytes = (<usize>columns) << 2;
  const whole = columns & ~3;
  const part: f32 = <f32>1 / <f32>columns;
  for (let row = 0; row < rows; row++, upstream += bytes, normal += bytes, out += bytes, inverse += 4) {
    let sums = f32x4.splat(0);
    let products = sums;
    for (let j = 0; j < whole; j += 4) {
      const at = (<usize>j) << 2;
      const g = f32x4.mul(v128.load(upstream + at), v128.load(gamma + at));
      sums = f32x4.add(sums, g);
      products = f32x4.add(products, f32x4.mul(g, v128.load(normal + at)));
    }
    let sum: f32 = sumOfLanes(sums);
    let product: f32 = sumOfLanes(products);
    for (let j = whole; j < columns; j++) {
      const at = (<usize>j) << 2;
      const g = load<f32>(upstream + at) * load<f32>(gamma + at);
      sum += g;
      product += g * load<f32>(normal + at);
    }
    sum *= part;
    product *= part;
    const factor = load<f32>(inverse);
    for (let j = 0; j < whole; j += 4) {
      const at = (<usize>j) << 2;
      const g = f32x4.mul(v128.load(upstream + at), v128.load(gamma + at));
      const pull = f32x4.add(f32x4.mul(v128.load(normal + at), f32x4.splat(product)), f32x4.splat(sum));
      v128.store(out + at, f32x4.mul(f32x4.sub(g, pull), f32x4.splat(factor)));
    }
    for (let j = whole; j < columns; j++) {
      const at = (<usize>j) << 2;
      const g = load<f32>(upstream + at) * load<f32>(gamma + at);
      store<f32>(out + at, (g - load<f32>(normal + at) * product - sum) * factor);
    }
  }
}

/**
 * @param inverse [columns]: 1 / s
 * @param mean [columns], written
 * @param variance [columns], written: over n, not n - 1
 */
export function standardizeColumns(
  x: usize,
  gamma: usize,
  beta: usize,
  out: usize,
  normal: usize,
  inverse: usize,
  mean: usize,
  variance: usize,
  rows: i32,
  columns: i32,
  epsilon: f32,
): void {
  const part: f32 = <f32>1 / <f32>rows;
  columnSums(x, 0, 0, mean, 0, rows, columns);
  for (let j = 0; j < columns; j++) {
    const at = (<usize>j) << 2;
    store<f32>(mean + at, load<f32>(mean + at) * part);
  }
  columnSums(x, mean, 0, 0, variance, rows, columns);
  for (let j = 0; j < columns; j++) {
    const at = (<usize>j) << 2;
    const value = load<f32>(variance + at) * part;
    store<f32>(variance + at, value);
    store<f32>(inverse + at, <f32>1 / sqrt<f32>(value + epsilon));
  }
  const bytes = (<usize>columns) << 2;
  const whole = columns & ~3;
  for (let row = 0; row < rows; row++, x += bytes, out += bytes, normal += bytes) {
    for (let j = 0; j < whole; j += 4) {
      const at = (<usize>j) << 2;
      const value = f32x4.mul(f32x4.sub(v128.load(x + at), v128.load(mean + at)), v128.load(inverse + at));
      v128.store(normal + at, value);
      v128.store(out + at, f32x4.add(f32x4.mul(value, v128.load(gamma + at)), v128.load(beta + at)));
    }
    for (let j = whole; j < columns; j++) {
      const at = (<usize>j) << 2;
      const value = (load<f32>(x + at) - load<f32>(mean + at)) * load<f32>(inverse + at);
      store<f32>(normal + at, value);
      store<f32>(out + at, value * load<f32>(gamma + at) + load<f32>(beta + at));
    }
  }
}

/** As `standardizeRowsGradient`, with `inverse` [columns]. */
export function standardizeColumnsGradient(
  upstream: usize,
  normal: usize,
  inverse: usize,
  gamma: usize,
  out: usize,
  gammaGradient: usize,
  betaGradient: usize,
  rows: i32,
  columns: i32,
): void {
  columnSums(upstream, 0, normal, betaGradient, gammaGradient, rows, columns);
  const bytes = (<usize>columns) << 2;
  const whole = columns & ~3;
  const part: f32 = <f32>1 / <f32>rows;
  const parts = f32x4.splat(part);
  for (let row = 0; row < rows; row++, upstream += bytes, normal += bytes, out += bytes) {
    for (let j = 0; j < whole; j += 4) {
      const at = (<usize>j) << 2;
      const product = f32x4.mul(v128.load(gammaGradient + at), v128.load(normal + at));
      const pull = f32x4.mul(f32x4.add(product, v128.load(betaGradient + at)), parts);
      const factor = f32x4.mul(v128.load(gamma + at), v128.load(inverse + at));
      v128.store(out + at, f32x4.mul(f32x4.sub(v128.load(upstream + at), pull), factor));
    }
    for (let j = whole; j < columns; j++) {
      const at = (<usize>j) << 2;
      const pull = (load<f32>(gammaGradient + at) * load<f32>(normal + at) + load<f32>(betaGradient + at)) * part;
      const factor = load<f32>(gamma + at) * load<f32>(inverse + at);
      store<f32>(out + at, (load<f32>(upstream + at) - pull) * factor);
    }
  }
}
