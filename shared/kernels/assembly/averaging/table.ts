/**
 * The weighted sum as `prepareWeights` of `shared/kernels/averaging.ts` lays it out: a header of 64 bytes, then 32 bytes
 * an input.
 *   header  0 divisor f64 · 8 what float64 rounds away of it f64 · 16 inputs i32 · 20 whether to divide i32 · 24 whether
 *           all weights are far from overflow and underflow i32 · 28 mode i32 · 32 tolerance f32 · 36 scale f32 ·
 *           40 count of inputs as f32 · 44 largest spread of BF16 patterns i32
 *   input   0 address u32 · 4 coefficient f32 · 8 weight f64 · 16, 24 the weight's Veltkamp halves f64
 */
@inline
export const ENTRY: usize = 32;

@inline
export function firstEntry(table: usize): usize {
  return table + 64;
}

@inline
export function lastEntry(table: usize): usize {
  return table + 64 + (load<u32>(table, 16) << 5);
}

@inline
export function divisorOf(table: usize): f64 {
  return load<f64>(table);
}

/** What float64 rounds away of the divisor; only F64 inputs use it. */
@inline
export function divisorLowOf(table: usize): f64 {
  return load<f64>(table, 8);
}

/** Whether the sum is divided at all. */
@inline
export function divides(table: usize): bool {
  return load<i32>(table, 20) != 0;
}

/** Whether products of weights with numbers in [2^-400, 2^900] neither overflow nor underflow. */
@inline
export function isOrdinary(table: usize): bool {
  return load<i32>(table, 24) != 0;
}

/** How BF16 may be averaged without float64: 0 not at all, 1 where an error bound allows, 2 and 3 where sums are exact. */
@inline
export function shortcutOf(table: usize): i32 {
  return load<i32>(table, 28);
}
