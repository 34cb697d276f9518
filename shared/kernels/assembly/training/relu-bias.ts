/** Rows that are summed in registers before they reach the bias's gradient; see `columns.ts`. */
const BLOCK: i32 = 128;

/**
 * The step back through bias and ReLU: where `output <= 0` the gradient becomes 0, in place, and the bias gets the sum
 * over the rows. NaN outputs let the gradient through, as in PyTorch.
 * @param gradient [rows, columns], changed in place
 * @param output what the layer returned, or 0 where it has no ReLU
 * @param biasGradient [columns], written; or 0 for none
 */
export function reluBiasGradient(gradient: usize, output: usize, biasGradient: usize, rows: i32, columns: i32): void {
  const bytes = (<usize>columns) << 2;
  const zero = f32x4.splat(0);
  if (biasGradient != 0) memory.fill(biasGradient, 0, bytes);
  for (let row = 0; row < rows; row += BLOCK) {
    const count = min(BLOCK, rows - row);
    const skip = <usize>row * bytes;
    let column = 0;
    for (; column + 4 <= columns; column += 4) {
      const at = (<usize>column) << 2;
      let from = gradient + skip + at;
      let sum = zero;
      if (output == 0) {
        for (let n = count; n > 0; n--, from += bytes) sum = f32x4.add(sum, v128.load(from));
      } else {
        let reached = output + skip + at;
        for (let n = count; n > 0; n--, from += bytes, reached += bytes) {
          const value = v128.andnot(v128.load(from), f32x4.le(v128.load(reached), zero));
          v128.store(from, value);
          sum = f32x4.add(sum, value);
        }
      }
      if (biasGradient != 0) v128.store(biasGradient + at, f32x4.add(v128.load(biasGradient + at), sum));
    }
    for (; column < columns; column++) {
      const at = (<usize>column) << 2;
      let sum: f32 = 0;
      for (let n = 0; n < count; n++) {
        const there = skip + <usize>n * bytes + at;
        let value = load<f32>(gradient + there);
        if (output != 0) {
          if (load<f32>(output + there) <= 0) value = 0;
          store<f32>(gradient + there, value);
        }
        sum += value;
      }
      if (biasGradient != 0) store<f32>(biasGradient + at, load<f32>(biasGradient + at) + sum);
    }
  }
}
