/**
 * Always zero, but neither Binaryen nor the engine can know. V8 rebuilds a vector constant with three instructions at each
 * use, inside the loop; a splat of something unknown it computes once and keeps. That makes the 16-bit kernels several
 * times faster.
 */
export let zero: i32 = 0;

/** Four equal 32-bit words. Call it outside the loop. */
@inline
export function heldWords(word: i32): v128 {
  return i32x4.splat(word | zero);
}

/** Two equal float64, given by their bits. Call it outside the loop. */
@inline
export function heldDoubles(bits: i64): v128 {
  return i64x2.splat(bits | <i64>zero);
}
