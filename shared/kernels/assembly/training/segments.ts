/**
 * out[segment of i, :] += x[i, :], row after row: the gradient of looking up rows of a table.
 * @param x [rows, columns]
 * @param segments int32 [rows]; a row whose segment is not in [0, count) is dropped, as by tfjs's CPU backend
 * @param out [count, columns], written
 */
export function sumSegments(x: usize, segments: usize, out: usize, rows: i32, columns: i32, count: i32): void {
  const bytes = (<usize>columns) << 2;
  const whole = columns & ~3;
  memory.fill(out, 0, <usize>count * bytes);
  for (let row = 0; row < rows; row++, x += bytes) {
    const segment = load<i32>(segments + ((<usize>row) << 2));
    if (<u32>segment >= <u32>count) continue;
    const to = out + <usize>segment * bytes;
    for (let j = 0; j < whole; j += 4) {
      const at = (<usize>j) << 2;
      v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(x + at)));
    }
    for (let j = whole; j < columns; j++) {
      const at = (<usize>j) << 2;
      store<f32>(to + at, load<f32>(to + at) + load<f32>(x + at));
    }
  }
}
