import { heldWords } from "../averaging/held-constant";
import { keyOf, keysOfFour, loadOne } from "./rows";

/**
 * Counts the keys of a row's differences from a base that lie above a range, and lists those within: what is left to do
 * of a search once the range that a cut lies in is known to be small. Sixteen elements at a time, of which mostly none is
 * within.
 * @param base 0 where the row itself is looked at
 * @param list receives a pair of key and index, 32 bits each, for each key in `[low, high]`, and room for one more
 * @param first index of the row's first element
 * @param above receives how many keys lie above `high`, u32
 * @returns end of the list
 */
export function sweepKeys<T>(
  row: usize,
  base: usize,
  count: i32,
  low: i32,
  high: i32,
  list: usize,
  first: u32,
  above: usize,
): usize {
  return base != 0
    ? sweep<T>(row, base, count, low, high, list, first, above, true)
    : sweep<T>(row, 0, count, low, high, list, first, above, false);
}

@inline
function sweep<T>(
  row: usize,
  base: usize,
  count: i32,
  low: i32,
  high: i32,
  list: usize,
  first: u32,
  above: usize,
  differs: bool,
): usize {
  const magnitude = heldWords(0x7fffffff);
  const lows = i32x4.splat(low);
  const highs = i32x4.splat(high);
  const step: usize = 4 * sizeof<T>();
  const whole = count & ~15;
  let passed = i32x4.splat(0);
  let index = 0;
  for (; index < whole; index += 16, row += 4 * step) {
    const keys0 = keysOfFour<T>(row, base, differs, magnitude);
    const keys1 = keysOfFour<T>(row + step, base + step, differs, magnitude);
    const keys2 = keysOfFour<T>(row + 2 * step, base + 2 * step, differs, magnitude);
    const keys3 = keysOfFour<T>(row + 3 * step, base + 3 * step, differs, magnitude);
    if (differs) base += 4 * step;
    const over0 = i32x4.gt_s(keys0, highs);
    const over1 = i32x4.gt_s(keys1, highs);
    const over2 = i32x4.gt_s(keys2, highs);
    const over3 = i32x4.gt_s(keys3, highs);
    passed = i32x4.sub(passed, i32x4.add(i32x4.add(over0, over1), i32x4.add(over2, over3)));
    // What lies neither above the range nor below it.
    const within0 = v128.not(v128.or(over0, i32x4.lt_s(keys0, lows)));
    const within1 = v128.not(v128.or(over1, i32x4.lt_s(keys1, lows)));
    const within2 = v128.not(v128.or(over2, i32x4.lt_s(keys2, lows)));
    const within3 = v128.not(v128.or(over3, i32x4.lt_s(keys3, lows)));
    if (v128.any_true(v128.or(v128.or(within0, within1), v128.or(within2, within3)))) {
      list = append(list, keys0, within0, first + index);
      list = append(list, keys1, within1, first + index + 4);
      list = append(list, keys2, within2, first + index + 8);
      list = append(list, keys3, within3, first + index + 12);
    }
  }
  let more = 0;
  for (; index < count; index++, row += sizeof<T>()) {
    let x = loadOne<T>(row);
    if (differs) {
      x -= loadOne<T>(base);
      base += sizeof<T>();
    }
    const key = <i32>keyOf(x);
    more += i32(key > high);
    if (key >= low && key <= high) {
      store<u32>(list, key);
      store<u32>(list, first + index, 4);
      list += 8;
    }
  }
  store<u32>(
    above,
    more +
      i32x4.extract_lane(passed, 0) +
      i32x4.extract_lane(passed, 1) +
      i32x4.extract_lane(passed, 2) +
      i32x4.extract_lane(passed, 3),
  );
  return list;
}

/** Appends those of four keys that are within. All are written; what does not belong is overwritten by what comes next. */
@inline
export function append(list: usize, keys: v128, within: v128, first: u32): usize {
  if (!v128.any_true(within)) return list;
  const bits = i32x4.bitmask(within);
  store<u32>(list, i32x4.extract_lane(keys, 0));
  store<u32>(list, first, 4);
  list += <usize>(bits & 1) << 3;
  store<u32>(list, i32x4.extract_lane(keys, 1));
  store<u32>(list, first + 1, 4);
  list += <usize>(bits & 2) << 2;
  store<u32>(list, i32x4.extract_lane(keys, 2));
  store<u32>(list, first + 2, 4);
  list += <usize>(bits & 4) << 1;
  store<u32>(list, i32x4.extract_lane(keys, 3));
  store<u32>(list, first + 3, 4);
  return list + <usize>(bits & 8);
}
