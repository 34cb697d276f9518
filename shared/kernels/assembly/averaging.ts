/**
 * Exact averaging of checkpoint blocks in the heap of the tfjs WASM backend.
 *
 * result = round((sum of w_i * x_i in float64, in input order) / W), rounded once, to nearest even, straight from
 * float64 to the output dtype. No relaxed-SIMD operation appears here: those may differ between machines, and the bytes
 * of a fusion may not.
 *
 * One export for each pair of input and output dtype, `average<In>To<Out>`: were they cases of one function, the
 * engine would compile them as one and spill every register. Each takes the weighted sum (`averaging/table.ts`), where the
 * result goes and how many elements, and returns how many results are not finite.
 */
import { averageDoubles } from "./averaging/double-double";
import { averageSingles } from "./averaging/single";
import { averageBfloat16 } from "./averaging/bfloat16";
import { BFLOAT16, E4M3, E5M2, F32, F64, HALF } from "./averaging/float-formats";

export { scanNonFinite, countUnmarkedNonFinite, firstIndex } from "./averaging/non-finite";
export { countMaskedMismatches, countOnes, firstDifference } from "./averaging/compare";
export { frozenMask } from "./averaging/frozen-mask";
export { zero } from "./averaging/held-constant";
export * from "./combining/exports";

export function averageF32ToF32(table: usize, output: usize, count: i32): i32 {
  return averageSingles<F32, F32>(table, output, 0, count);
}

export function averageF32ToF16(table: usize, output: usize, count: i32): i32 {
  return averageSingles<F32, HALF>(table, output, 0, count);
}

export function averageF32ToBF16(table: usize, output: usize, count: i32): i32 {
  return averageSingles<F32, BFLOAT16>(table, output, 0, count);
}

export function averageF32ToF64(table: usize, output: usize, count: i32): i32 {
  return averageSingles<F32, F64>(table, output, 0, count);
}

export function averageF32ToE4M3(table: usize, output: usize, count: i32): i32 {
  return averageSingles<F32, E4M3>(table, output, 0, count);
}

export function averageF32ToE5M2(table: usize, output: usize, count: i32): i32 {
  return averageSingles<F32, E5M2>(table, output, 0, count);
}

export function averageF16ToF32(table: usize, output: usize, count: i32): i32 {
  return averageSingles<HALF, F32>(table, output, 0, count);
}

export function averageF16ToF16(table: usize, output: usize, count: i32): i32 {
  return averageSingles<HALF, HALF>(table, output, 0, count);
}

export function averageF16ToBF16(table: usize, output: usize, count: i32): i32 {
  return averageSingles<HALF, BFLOAT16>(table, output, 0, count);
}

export function averageF16ToF64(table: usize, output: usize, count: i32): i32 {
  return averageSingles<HALF, F64>(table, output, 0, count);
}

export function averageF16ToE4M3(table: usize, output: usize, count: i32): i32 {
  return averageSingles<HALF, E4M3>(table, output, 0, count);
}

export function averageF16ToE5M2(table: usize, output: usize, count: i32): i32 {
  return averageSingles<HALF, E5M2>(table, output, 0, count);
}

export function averageBF16ToF32(table: usize, output: usize, count: i32): i32 {
  return averageSingles<BFLOAT16, F32>(table, output, 0, count);
}

export function averageBF16ToF16(table: usize, output: usize, count: i32): i32 {
  return averageSingles<BFLOAT16, HALF>(table, output, 0, count);
}

export function averageBF16ToBF16(table: usize, output: usize, count: i32): i32 {
  return averageBfloat16(table, output, count);
}

export function averageBF16ToF64(table: usize, output: usize, count: i32): i32 {
  return averageSingles<BFLOAT16, F64>(table, output, 0, count);
}

export function averageBF16ToE4M3(table: usize, output: usize, count: i32): i32 {
  return averageSingles<BFLOAT16, E4M3>(table, output, 0, count);
}

export function averageBF16ToE5M2(table: usize, output: usize, count: i32): i32 {
  return averageSingles<BFLOAT16, E5M2>(table, output, 0, count);
}

export function averageF64ToF32(table: usize, output: usize, count: i32): i32 {
  return averageDoubles<F32>(table, output, count);
}

export function averageF64ToF16(table: usize, output: usize, count: i32): i32 {
  return averageDoubles<HALF>(table, output, count);
}

export function averageF64ToBF16(table: usize, output: usize, count: i32): i32 {
  return averageDoubles<BFLOAT16>(table, output, count);
}

export function averageF64ToF64(table: usize, output: usize, count: i32): i32 {
  return averageDoubles<F64>(table, output, count);
}

export function averageF64ToE4M3(table: usize, output: usize, count: i32): i32 {
  return averageDoubles<E4M3>(table, output, count);
}

export function averageF64ToE5M2(table: usize, output: usize, count: i32): i32 {
  return averageDoubles<E5M2>(table, output, count);
}

export function averageE4M3ToF32(table: usize, output: usize, count: i32): i32 {
  return averageSingles<E4M3, F32>(table, output, 0, count);
}

export function averageE4M3ToF16(table: usize, output: usize, count: i32): i32 {
  return averageSingles<E4M3, HALF>(table, output, 0, count);
}

export function averageE4M3ToBF16(table: usize, output: usize, count: i32): i32 {
  return averageSingles<E4M3, BFLOAT16>(table, output, 0, count);
}

export function averageE4M3ToF64(table: usize, output: usize, count: i32): i32 {
  return averageSingles<E4M3, F64>(table, output, 0, count);
}

export function averageE4M3ToE4M3(table: usize, output: usize, count: i32): i32 {
  return averageSingles<E4M3, E4M3>(table, output, 0, count);
}

export function averageE4M3ToE5M2(table: usize, output: usize, count: i32): i32 {
  return averageSingles<E4M3, E5M2>(table, output, 0, count);
}

export function averageE5M2ToF32(table: usize, output: usize, count: i32): i32 {
  return averageSingles<E5M2, F32>(table, output, 0, count);
}

export function averageE5M2ToF16(table: usize, output: usize, count: i32): i32 {
  return averageSingles<E5M2, HALF>(table, output, 0, count);
}

export function averageE5M2ToBF16(table: usize, output: usize, count: i32): i32 {
  return averageSingles<E5M2, BFLOAT16>(table, output, 0, count);
}

export function averageE5M2ToF64(table: usize, output: usize, count: i32): i32 {
  return averageSingles<E5M2, F64>(table, output, 0, count);
}

export function averageE5M2ToE4M3(table: usize, output: usize, count: i32): i32 {
  return averageSingles<E5M2, E4M3>(table, output, 0, count);
}

export function averageE5M2ToE5M2(table: usize, output: usize, count: i32): i32 {
  return averageSingles<E5M2, E5M2>(table, output, 0, count);
}
