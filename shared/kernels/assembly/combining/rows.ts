/** Rows of elements as the combining kernels read them: float32 or float64, where all other formats are decoded to. */

/** Two elements as float64. */
@inline
export function loadTwo<T>(address: usize): v128 {
  if (sizeof<T>() == 8) return v128.load(address);
  return f64x2.promote_low_f32x4(v128.load_zero<u64>(address));
}

/** One element as float64. */
@inline
export function loadOne<T>(address: usize): f64 {
  if (sizeof<T>() == 8) return load<f64>(address);
  return f64(load<f32>(address));
}

/**
 * The keys of four differences of a row from a base (0: the row itself): their magnitudes as float32, whose bits order as
 * the numbers do. Float32 rows are subtracted as they are: a float64 difference of them, rounded to float32, is the
 * same number, because float64 has more than twice the digits (Figueroa, "When is double rounding innocuous?", 1995).
 */
@inline
export function keysOfFour<T>(row: usize, base: usize, differs: bool, magnitude: v128): v128 {
  if (sizeof<T>() == 4) {
    const singles = differs ? f32x4.sub(v128.load(row), v128.load(base)) : v128.load(row);
    return v128.and(singles, magnitude);
  }
  const low = differs ? f64x2.sub(v128.load(row), v128.load(base)) : v128.load(row);
  const high = differs ? f64x2.sub(v128.load(row, 16), v128.load(base, 16)) : v128.load(row, 16);
  const singles = v128.shuffle<u64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
  return v128.and(singles, magnitude);
}

@inline
export function keyOf(value: f64): u32 {
  return reinterpret<u32>(f32(value)) & 0x7fffffff;
}
