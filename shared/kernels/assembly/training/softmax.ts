/** Softmax over the rows of a matrix [rows, columns], and its gradient. */
import { exponential, sumOfLanes } from "./exponential";

/** out = e^x / sum, with the largest value of the row taken out. NaN makes its row NaN. */
export function softmax(input: usize, out: usize, rows: i32, columns: i32): void {
  const bytes = (<usize>columns) << 2;
  const whole = columns & ~3;
  for (let row = 0; row < rows; row++, input += bytes, out += bytes) {
    const highest = f32x4.splat(largest(input, columns));
    let sums = f32x4.splat(0);
    for (let j = 0; j < whole; j += 4) {
      const at = (<usize>j) << 2;
      const power = exponential(f32x4.sub(v128.load(input + at), highest));
      v128.store(out + at, power);
      sums = f32x4.add(sums, power);
    }
    let sum: f32 = sumOfLanes(sums);
    for (let j = whole; j < columns; j++) {
      const at = (<usize>j) << 2;
      const power = f32x4.extract_lane(exponential(f32x4.sub(v128.load32_zero(input + at), highest)), 0);
      store<f32>(out + at, power);
      sum += power;
    }
    const share: f32 = <f32>1 / sum;
    for (let j = 0; j < whole; j += 4) {
      const at = (<usize>j) << 2;
      v128.store(out + at, f32x4.mul(v128.load(out + at), f32x4.splat(share)));
    }
    for (let j = whole; j < columns; j++) {
      const at = (<usize>j) << 2;
      store<f32>(out + at, load<f32>(out + at) * share);
    }
  }
}

function largest(input: usize, columns: i32): f32 {
  const whole = columns & ~3;
  let all = f32x4.splat(-Infinity);
  for (let j = 0; j < whole; j += 4) all = f32x4.max(all, v128.load(input + ((<usize>j) << 2)));
  const left = max(f32x4.extract_lane(all, 0), f32x4.extract_lane(all, 1));
  let result: f32 = max(left, max(f32x4.extract_lane(all, 2), f32x4.extract_lane(all, 3)));
  for (let j = whole; j < columns; j++) result = max(result, load<f32>(input + ((<usize>j) << 2)));
  return result;
}

/**
 * out = y (dy - sum(y dy)) over each row.
 * @param output what `softmax` gave
 */
export function softmaxGradient(upstream: usize, output: usize, out: usize, rows: i32, columns: i32): void {
  const bytes = (<usize>columns) << 2;
  const whole = columns & ~3;
  for (let row = 0; row < rows; row++, upstream += bytes, output += bytes, out += bytes) {
    let sums = f32x4.splat(0);
    for (let j = 0; j < whole; j += 4) {
      const at = (<usize>j) << 2;
      sums = f32x4.add(sums, f32x4.mul(v128.load(upstream + at), v128.load(output + at)));
    }
    let sum: f32 = sumOfLanes(sums);
    for (let j = whole; j < columns; j++) {
      const at = (<usize>j) << 2;
      sum += load<f32>(upstream + at) * load<f32>(output + at);
    }
    for (let j = 0; j < whole; j += 4) {
      const at = (<usize>j) << 2;
      const difference = f32x4.sub(v128.load(upstream + at), f32x4.splat(sum));
      v128.store(out + at, f32x4.mul(v128.load(output + at), difference));
    }
    for (let j = whole; j < columns; j++) {
      const at = (<usize>j) << 2;
      store<f32>(out + at, load<f32>(output + at) * (load<f32>(upstream + at) - sum));
    }
  }
}
