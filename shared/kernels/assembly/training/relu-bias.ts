/**
 * The step back through bias and ReLU: where `output <= 0` the gradient becomes 0, in place, and the bias gets the sum
 * over the rows. NaN outputs let the gradient through, as in PyTorch.
 * @param gradient [rows, columns], changed in place
 * @param output what the layer returned, or 0 where it has no ReLU
 * @param biasGradient [columns], written; or 0 for none
 */
export function reluBiasGradient(gradient: usize, output: usize, biasGradient: usize, rows: i32, columns: i32): void {
  const vectors = columns & ~3;
  const zero = f32x4.splat(0);
  if (biasGradient != 0) memory.fill(biasGradient, 0, (<usize>columns) << 2);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < vectors; j += 4) {
      const at = (<usize>j) << 2;
      let value = v128.load(gradient + at);
      if (output != 0) {
        value = v128.andnot(value, f32x4.le(v128.load(output + at), zero));
        v128.store(gradient + at, value);
      }
      if (biasGradient != 0) v128.store(biasGradient + at, f32x4.add(v128.load(biasGradient + at), value));
    }
    for (let j = vectors; j < columns; j++) {
      const at = (<usize>j) << 2;
      let value = load<f32>(gradient + at);
      if (output != 0) {
        if (load<f32>(output + at) <= 0) value = 0;
        store<f32>(gradient + at, value);
      }
      if (biasGradient != 0) store<f32>(biasGradient + at, load<f32>(biasGradient + at) + value);
    }
    gradient += (<usize>columns) << 2;
    if (output != 0) output += (<usize>columns) << 2;
  }
}
