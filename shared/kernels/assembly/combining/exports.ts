/**
 * What methods other than a weighted average compute over blocks in the heap: dot products, the search for the largest
 * magnitudes, sums of thinned differences from a base. One export for rows of float32 and one for rows of float64; the other
 * formats are decoded to float32 first, which is exact. As in the averaging kernels, nothing here depends on the machine.
 */
import { elect, electPair } from "./elect";
import { encodeRow } from "./encode";
import { magnitudeSums, mergeAll, mergeElected } from "./merge";
import { crosses, squares } from "./products";
import { countLow, searchKeys } from "./search";
import { sweepKeys } from "./sweep";
import { BFLOAT16, E4M3, E5M2, F32, F64, HALF } from "../averaging/float-formats";

export { keepNegativeZeros } from "./negative-zeros";
export { narrowList } from "./search";

export function squaresF32(a: usize, b: usize, base: usize, count: i32, out: usize): void {
  squares<F32>(a, b, base, count, out);
}

export function squaresF64(a: usize, b: usize, base: usize, count: i32, out: usize): void {
  squares<F64>(a, b, base, count, out);
}

export function crossesF32(a: usize, b: usize, c: usize, d: usize, base: usize, count: i32, out: usize): void {
  crosses<F32>(a, b, c, d, base, count, out);
}

export function crossesF64(a: usize, b: usize, c: usize, d: usize, base: usize, count: i32, out: usize): void {
  crosses<F64>(a, b, c, d, base, count, out);
}

export function searchKeysF32(row: usize, base: usize, count: i32, counts: usize, low: i32, high: i32, list: usize, first: u32): usize {
  return searchKeys<F32>(row, base, count, counts, low, high, list, first);
}

export function searchKeysF64(row: usize, base: usize, count: i32, counts: usize, low: i32, high: i32, list: usize, first: u32): usize {
  return searchKeys<F64>(row, base, count, counts, low, high, list, first);
}

export function sweepKeysF32(row: usize, base: usize, count: i32, low: i32, high: i32, list: usize, first: u32, above: usize): usize {
  return sweepKeys<F32>(row, base, count, low, high, list, first, above);
}

export function sweepKeysF64(row: usize, base: usize, count: i32, low: i32, high: i32, list: usize, first: u32, above: usize): usize {
  return sweepKeys<F64>(row, base, count, low, high, list, first, above);
}

export function countLowF32(row: usize, base: usize, count: i32, counts: usize, bucket: u32): void {
  countLow<F32>(row, base, count, counts, bucket);
}

export function countLowF64(row: usize, base: usize, count: i32, counts: usize, bucket: u32): void {
  countLow<F64>(row, base, count, counts, bucket);
}

export function mergeElectedF32(entries: usize, end: usize, scratch: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return mergeElected<F32>(entries, end, scratch, base, count, result, lambda, negligible);
}

export function mergeElectedF64(entries: usize, end: usize, scratch: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return mergeElected<F64>(entries, end, scratch, base, count, result, lambda, negligible);
}

export function electPlain2ToF32(entries: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return electPair<F32>(entries, base, count, result, lambda);
}

export function electPlain3ToF32(entries: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return elect<F32>(entries, base, count, result, lambda, negligible, 3, true);
}

export function electPlain4ToF32(entries: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return elect<F32>(entries, base, count, result, lambda, negligible, 4, true);
}

export function electWeighted2ToF32(entries: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return elect<F32>(entries, base, count, result, lambda, negligible, 2, false);
}

export function electWeighted3ToF32(entries: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return elect<F32>(entries, base, count, result, lambda, negligible, 3, false);
}

export function electWeighted4ToF32(entries: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return elect<F32>(entries, base, count, result, lambda, negligible, 4, false);
}

export function electPlain2ToF64(entries: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return electPair<F64>(entries, base, count, result, lambda);
}

export function electPlain3ToF64(entries: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return elect<F64>(entries, base, count, result, lambda, negligible, 3, true);
}

export function electPlain4ToF64(entries: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return elect<F64>(entries, base, count, result, lambda, negligible, 4, true);
}

export function electWeighted2ToF64(entries: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return elect<F64>(entries, base, count, result, lambda, negligible, 2, false);
}

export function electWeighted3ToF64(entries: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return elect<F64>(entries, base, count, result, lambda, negligible, 3, false);
}

export function electWeighted4ToF64(entries: usize, base: usize, count: i32, result: usize, lambda: f64, negligible: f64): i32 {
  return elect<F64>(entries, base, count, result, lambda, negligible, 4, false);
}

export function mergeAllF32(entries: usize, end: usize, base: usize, count: i32, result: usize, lambda: f64, divisor: f64): i32 {
  return mergeAll<F32>(entries, end, base, count, result, lambda, divisor);
}

export function mergeAllF64(entries: usize, end: usize, base: usize, count: i32, result: usize, lambda: f64, divisor: f64): i32 {
  return mergeAll<F64>(entries, end, base, count, result, lambda, divisor);
}

export function magnitudeSumsF32(row: usize, base: usize, count: i32, mask: usize, low: i32, high: i32, out: usize): void {
  magnitudeSums<F32>(row, base, count, mask, low, high, out);
}

export function magnitudeSumsF64(row: usize, base: usize, count: i32, mask: usize, low: i32, high: i32, out: usize): void {
  magnitudeSums<F64>(row, base, count, mask, low, high, out);
}

export function encodeToF32(from: usize, to: usize, count: i32): i32 {
  return encodeRow<F32>(from, to, count);
}

export function encodeToF16(from: usize, to: usize, count: i32): i32 {
  return encodeRow<HALF>(from, to, count);
}

export function encodeToBF16(from: usize, to: usize, count: i32): i32 {
  return encodeRow<BFLOAT16>(from, to, count);
}

export function encodeToF64(from: usize, to: usize, count: i32): i32 {
  return encodeRow<F64>(from, to, count);
}

export function encodeToE4M3(from: usize, to: usize, count: i32): i32 {
  return encodeRow<E4M3>(from, to, count);
}

export function encodeToE5M2(from: usize, to: usize, count: i32): i32 {
  return encodeRow<E5M2>(from, to, count);
}
