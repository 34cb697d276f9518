/** Panels of the operands of a matrix product. */

/** Rows of the register tile; the code below is written for six. */
export const TILE_ROWS: i32 = 6;
/** Columns of the register tile; the code below is written for eight. */
export const TILE_COLUMNS: i32 = 8;

/**
 * Copies rows of op(A) into panels: for each k, six consecutive rows. A panel over the edge is filled with zeros.
 * @param stride elements between rows of the stored matrix
 */
export function packA(
  a: usize,
  transposed: bool,
  row: i32,
  rows: i32,
  k: i32,
  depth: i32,
  stride: i32,
  to: usize,
): void {
  for (let i = 0; i < rows; i += TILE_ROWS) {
    const count = min(TILE_ROWS, rows - i);
    const step = (<usize>stride) << 2;
    if (count < TILE_ROWS) {
      packEdge(a, transposed, row + i, count, k, depth, stride, TILE_ROWS, to);
    } else if (transposed) {
      let from = a + ((<usize>(k * stride + row + i)) << 2);
      for (let n = 0, target = to; n < depth; n++, target += 24, from += step) {
        v128.store(target, v128.load(from));
        store<u64>(target, load<u64>(from, 16), 16);
      }
    } else {
      const from = a + ((<usize>((row + i) * stride + k)) << 2);
      const whole = depth & ~3;
      for (let n = 0; n < whole; n += 4) {
        const at = from + ((<usize>n) << 2);
        const target = to + <usize>n * 24;
        transpose4(at, step, target, 24);
        const r4 = v128.load(at + step * 4);
        const r5 = v128.load(at + step * 5);
        const low = v128.shuffle<f32>(r4, r5, 0, 4, 1, 5);
        const high = v128.shuffle<f32>(r4, r5, 2, 6, 3, 7);
        v128.store_lane<u64>(target, low, 0, 16);
        v128.store_lane<u64>(target, low, 1, 40);
        v128.store_lane<u64>(target, high, 0, 64);
        v128.store_lane<u64>(target, high, 1, 88);
      }
      if (whole < depth) {
        packEdge(a, false, row + i, 6, k + whole, depth - whole, stride, TILE_ROWS, to + <usize>whole * 24);
      }
    }
    to += <usize>depth * 24;
  }
}

/**
 * Copies columns of op(B) into panels: for each k, eight consecutive columns.
 * @param panelStep bytes from panel to panel
 */
export function packB(
  b: usize,
  transposed: bool,
  column: i32,
  columns: i32,
  k: i32,
  depth: i32,
  stride: i32,
  to: usize,
  panelStep: usize,
): void {
  for (let j = 0; j < columns; j += TILE_COLUMNS) {
    const count = min(TILE_COLUMNS, columns - j);
    const step = (<usize>stride) << 2;
    if (count < TILE_COLUMNS) {
      packEdge(b, !transposed, column + j, count, k, depth, stride, TILE_COLUMNS, to);
    } else if (!transposed) {
      let from = b + ((<usize>(k * stride + column + j)) << 2);
      for (let n = 0, target = to; n < depth; n++, target += 32, from += step) {
        v128.store(target, v128.load(from));
        v128.store(target, v128.load(from, 16), 16);
      }
    } else {
      const from = b + ((<usize>((column + j) * stride + k)) << 2);
      const whole = depth & ~3;
      for (let n = 0; n < whole; n += 4) {
        const at = from + ((<usize>n) << 2);
        const target = to + ((<usize>n) << 5);
        transpose4(at, step, target, 32);
        transpose4(at + step * 4, step, target + 16, 32);
      }
      if (whole < depth) {
        packEdge(b, false, column + j, 8, k + whole, depth - whole, stride, TILE_COLUMNS, to + ((<usize>whole) << 5));
      }
    }
    to += panelStep;
  }
}

/** Copies a 4 x 4 block, transposed. */
function transpose4(from: usize, fromStep: usize, to: usize, toStep: usize): void {
  const r0 = v128.load(from);
  const r1 = v128.load(from + fromStep);
  const r2 = v128.load(from + fromStep * 2);
  const r3 = v128.load(from + fromStep * 3);
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<u64>(low01, low23, 0, 2));
  v128.store(to + toStep, v128.shuffle<u64>(low01, low23, 1, 3));
  v128.store(to + toStep * 2, v128.shuffle<u64>(high01, high23, 0, 2));
  v128.store(to + toStep * 3, v128.shuffle<u64>(high01, high23, 1, 3));
}

/** Packs lines one element at a time, padding the panel with zeros. `contiguous`: lines lie side by side in memory. */
function packEdge(
  from: usize,
  contiguous: bool,
  line: i32,
  lines: i32,
  k: i32,
  depth: i32,
  stride: i32,
  width: i32,
  to: usize,
): void {
  for (let n = 0; n < depth; n++) {
    for (let i = 0; i < width; i++) {
      const at = contiguous ? (k + n) * stride + line + i : (line + i) * stride + k + n;
      store<f32>(to, i < lines ? load<f32>(from + ((<usize>at) << 2)) : 0);
      to += 4;
    }
  }
}
