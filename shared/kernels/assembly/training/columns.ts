/** Sums over the columns of matrices [rows, columns]. */

/**
 * Rows that are summed in registers before they reach the total. Blocks bound the rounding error of a float32 sum by the
 * length of a block plus the number of blocks, instead of the number of rows.
 */
const BLOCK: i32 = 128;

/**
 * sums = sum of x - shift; products = sum of (x - shift) y, column by column.
 * @param shift [columns], or 0 for none
 * @param y [rows, columns]; 0 for (x - shift) itself, so that `products` are squares
 * @param sums [columns], written; or 0 for none
 * @param products [columns], written; or 0 for none
 */
export function columnSums(
  x: usize,
  shift: usize,
  y: usize,
  sums: usize,
  products: usize,
  rows: i32,
  columns: i32,
): void {
  const bytes = (<usize>columns) << 2;
  if (sums != 0) memory.fill(sums, 0, bytes);
  if (products != 0) memory.fill(products, 0, bytes);
  for (let row = 0; row < rows; row += BLOCK) {
    const count = min(BLOCK, rows - row);
    const skip = <usize>row * bytes;
    const fromY: usize = y + skip; // not read where y is 0
    let column = 0;
    for (; column + 4 <= columns; column += 4) {
      const at = (<usize>column) << 2;
      const shifted = shift == 0 ? f32x4.splat(0) : v128.load(shift + at);
      let from = x + skip + at;
      let other: usize = fromY + at;
      let sum = f32x4.splat(0);
      let product = sum;
      if (products == 0) {
        for (let n = count; n > 0; n--, from += bytes) sum = f32x4.add(sum, f32x4.sub(v128.load(from), shifted));
      } else if (y == 0) {
        for (let n = count; n > 0; n--, from += bytes) {
          const value = f32x4.sub(v128.load(from), shifted);
          sum = f32x4.add(sum, value);
          product = f32x4.add(product, f32x4.mul(value, value));
        }
      } else {
        for (let n = count; n > 0; n--, from += bytes, other += bytes) {
          const value = f32x4.sub(v128.load(from), shifted);
          sum = f32x4.add(sum, value);
          product = f32x4.add(product, f32x4.mul(value, v128.load(other)));
        }
      }
      if (sums != 0) v128.store(sums + at, f32x4.add(v128.load(sums + at), sum));
      if (products != 0) v128.store(products + at, f32x4.add(v128.load(products + at), product));
    }
    for (; column < columns; column++) {
      const at = (<usize>column) << 2;
      const shifted: f32 = shift == 0 ? 0 : load<f32>(shift + at);
      let sum: f32 = 0;
      let product: f32 = 0;
      for (let n = 0; n < count; n++) {
        const there = <usize>n * bytes + at;
        const value = load<f32>(x + skip + there) - shifted;
        sum += value;
        product += value * (y == 0 ? value : load<f32>(fromY + there));
      }
      if (sums != 0) store<f32>(sums + at, load<f32>(sums + at) + sum);
      if (products != 0) store<f32>(products + at, load<f32>(products + at) + product);
    }
  }
}
