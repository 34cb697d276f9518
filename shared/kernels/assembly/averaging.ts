/**
 * Exact averaging of checkpoint blocks in the heap of the tfjs WASM backend.
 *
 * result = round((sum of w_i * x_i in float64, in input order) / W), rounded once, to nearest even, straight from
 * float64 to the output dtype. No relaxed-SIMD operation appears here: those may differ between machines, and the bytes
 * of a fusion may not.
 *
 * One export for each pair of input and output dtype, `average<In>To<Out>`: were they cases of one function, the
 * engine would compile them as one and spill every register.
 *   table      one 32-byte entry an input: address u32, padding u32, weight f64, the weight's Veltkamp halves f64, f64
 *   divisor    W, used where `divide` is set
 *   low        what float64 rounds away of W; only F64 inputs use it
 *   ordinary   whether the weights are far from overflow and underflow; only F64 inputs use it
 * Each returns how many results are not finite.
 */
import { averageDoubles } from "./averaging/double-double";
import { averageSingles } from "./averaging/single";
import { BFLOAT16, F32, F64, HALF } from "./averaging/float-formats";

export { scanNonFinite, countUnmarkedNonFinite, firstIndex } from "./averaging/non-finite";
export { countMaskedMismatches, countOnes, firstDifference } from "./averaging/compare";
export { frozenMask } from "./averaging/frozen-mask";
export { zero } from "./averaging/held-constant";

export function averageF32ToF32(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageSingles<F32, F32>(table, inputs, output, count, divisor, divide);
}

export function averageF32ToF16(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageSingles<F32, HALF>(table, inputs, output, count, divisor, divide);
}

export function averageF32ToBF16(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageSingles<F32, BFLOAT16>(table, inputs, output, count, divisor, divide);
}

export function averageF32ToF64(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageSingles<F32, F64>(table, inputs, output, count, divisor, divide);
}

export function averageF16ToF32(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageSingles<HALF, F32>(table, inputs, output, count, divisor, divide);
}

export function averageF16ToF16(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageSingles<HALF, HALF>(table, inputs, output, count, divisor, divide);
}

export function averageF16ToBF16(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageSingles<HALF, BFLOAT16>(table, inputs, output, count, divisor, divide);
}

export function averageF16ToF64(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageSingles<HALF, F64>(table, inputs, output, count, divisor, divide);
}

export function averageBF16ToF32(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageSingles<BFLOAT16, F32>(table, inputs, output, count, divisor, divide);
}

export function averageBF16ToF16(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageSingles<BFLOAT16, HALF>(table, inputs, output, count, divisor, divide);
}

export function averageBF16ToBF16(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageSingles<BFLOAT16, BFLOAT16>(table, inputs, output, count, divisor, divide);
}

export function averageBF16ToF64(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageSingles<BFLOAT16, F64>(table, inputs, output, count, divisor, divide);
}

export function averageF64ToF32(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageDoubles<F32>(table, inputs, output, count, divisor, low, divide, ordinary);
}

export function averageF64ToF16(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageDoubles<HALF>(table, inputs, output, count, divisor, low, divide, ordinary);
}

export function averageF64ToBF16(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageDoubles<BFLOAT16>(table, inputs, output, count, divisor, low, divide, ordinary);
}

export function averageF64ToF64(
  table: usize,
  inputs: i32,
  output: usize,
  count: i32,
  divisor: f64,
  low: f64,
  divide: bool,
  ordinary: bool,
): i32 {
  return averageDoubles<F64>(table, inputs, output, count, divisor, low, divide, ordinary);
}
