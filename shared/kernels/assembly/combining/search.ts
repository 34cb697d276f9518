import { heldWords } from "../averaging/held-constant";
import { keyOf, keysOfFour, loadOne } from "./rows";
import { append } from "./sweep";

/**
 * One round of the search for the largest magnitudes among the differences of a row from its base. Counts the upper 16
 * bits of all keys, and notes those within a range.
 * @param base 0 where the row itself is looked at
 * @param counts 2^16 counters, or 0
 * @param list receives a pair of key and index, 32 bits each, for each key in `[low, high]`; 0 where there is none
 * @param first index of the row's first element
 * @returns end of the list
 */
export function searchKeys<T>(
  row: usize,
  base: usize,
  count: i32,
  counts: usize,
  low: i32,
  high: i32,
  list: usize,
  first: u32,
): usize {
  const magnitude = heldWords(0x7fffffff);
  const lows = i32x4.splat(low);
  const highs = i32x4.splat(high);
  const step: usize = 2 * sizeof<T>();
  const whole = count & ~3;
  let at: usize = 0;
  let index = 0;
  for (; index < whole; index += 4, at += 2 * step) {
    const keys = keysOfFour<T>(row + at, base + at, base != 0, magnitude);
    if (counts != 0) {
      const buckets = i32x4.shl(i32x4.shr_u(keys, 15), 2);
      countOne(counts + <u32>i32x4.extract_lane(buckets, 0));
      countOne(counts + <u32>i32x4.extract_lane(buckets, 1));
      countOne(counts + <u32>i32x4.extract_lane(buckets, 2));
      countOne(counts + <u32>i32x4.extract_lane(buckets, 3));
    }
    if (list != 0) {
      const within = v128.and(i32x4.ge_s(keys, lows), i32x4.le_s(keys, highs));
      list = append(list, keys, within, first + index);
    }
  }
  for (; index < count; index++, at += sizeof<T>()) {
    let x = loadOne<T>(row + at);
    if (base != 0) x -= loadOne<T>(base + at);
    const key = keyOf(x);
    if (counts != 0) countOne(counts + <usize>((key >>> 15) << 2));
    if (list != 0 && <i32>key >= low && <i32>key <= high) {
      store<u32>(list, key);
      store<u32>(list, first + index, 4);
      list += 8;
    }
  }
  return list;
}

@inline
function countOne(address: usize): void {
  store<u32>(address, load<u32>(address) + 1);
}

/** Counts the lower 15 bits of those keys whose upper ones are `bucket`. */
export function countLow<T>(row: usize, base: usize, count: i32, counts: usize, bucket: u32): void {
  for (let index = 0; index < count; index++) {
    const at = <usize>index * sizeof<T>();
    let x = loadOne<T>(row + at);
    if (base != 0) x -= loadOne<T>(base + at);
    const key = keyOf(x);
    if (key >>> 15 == bucket) countOne(counts + <usize>((key & 0x7fff) << 2));
  }
}

/**
 * Keeps, of a list of pairs, those whose key lies in `[low, high]`, in order.
 * @returns end of the list
 */
export function narrowList(list: usize, end: usize, low: u32, high: u32): usize {
  let to = list;
  for (let from = list; from < end; from += 8) {
    const pair = load<u64>(from);
    store<u64>(to, pair);
    const key = <u32>pair;
    to += <usize>(key >= low && key <= high) << 3;
  }
  return to;
}
