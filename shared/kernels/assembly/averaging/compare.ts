import { setFirstIndex } from "./non-finite";

/**
 * Counts elements that differ in any bit between two blocks where the mask is 1; `firstIndex` is then the first of them.
 * @param width bytes an element: 1, 2, 4 or 8
 */
export function countMaskedMismatches(width: i32, a: usize, b: usize, mask: usize, count: i32): i32 {
  let found = 0;
  let index = 0;
  for (; index + 16 <= count; index += 16) {
    const offset = <usize>(index * width);
    let different: v128;
    if (width == 4) {
      different = i8x16.narrow_i16x8_s(
        i16x8.narrow_i32x4_s(differ<i32>(a + offset, b + offset), differ<i32>(a + offset + 16, b + offset + 16)),
        i16x8.narrow_i32x4_s(differ<i32>(a + offset + 32, b + offset + 32), differ<i32>(a + offset + 48, b + offset + 48)),
      );
    } else if (width == 2) {
      different = i8x16.narrow_i16x8_s(
        differ<i16>(a + offset, b + offset),
        differ<i16>(a + offset + 16, b + offset + 16),
      );
    } else {
      // 8 bytes are rare: look at the elements one by one.
      different = i8x16.splat(-1);
    }
    if (v128.any_true(v128.and(different, v128.load(mask + index)))) {
      for (let at = index; at < index + 16; at++) found = compareOne(width, a, b, mask, at, found);
    }
  }
  for (; index < count; index++) found = compareOne(width, a, b, mask, index, found);
  return found;
}

@inline
function differ<T>(a: usize, b: usize): v128 {
  return v128.ne<T>(v128.load(a), v128.load(b));
}

function compareOne(width: i32, a: usize, b: usize, mask: usize, index: i32, found: i32): i32 {
  if (load<u8>(mask + index) == 0) return found;
  const offset = <usize>(index * width);
  let equal: bool;
  if (width == 8) equal = load<u64>(a + offset) == load<u64>(b + offset);
  else if (width == 4) equal = load<u32>(a + offset) == load<u32>(b + offset);
  else if (width == 2) equal = load<u16>(a + offset) == load<u16>(b + offset);
  else equal = load<u8>(a + offset) == load<u8>(b + offset);
  if (equal) return found;
  if (found == 0) setFirstIndex(index);
  return found + 1;
}

/** Sum of a mask's bytes. */
export function countOnes(mask: usize, count: i32): i32 {
  let sums = i32x4.splat(0);
  let index = 0;
  for (; index + 16 <= count; index += 16) {
    const pairs = i16x8.extadd_pairwise_i8x16_u(v128.load(mask + index));
    sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_u(pairs));
  }
  let sum =
    i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
  for (; index < count; index++) sum += <i32>load<u8>(mask + index);
  return sum;
}

/** Offset of the first byte that differs between two blocks, or -1. */
export function firstDifference(a: usize, b: usize, bytes: i32): i32 {
  let index = 0;
  for (; index + 16 <= bytes; index += 16) {
    if (v128.any_true(v128.xor(v128.load(a + index), v128.load(b + index)))) break;
  }
  for (; index < bytes; index++) {
    if (load<u8>(a + index) != load<u8>(b + index)) return index;
  }
  return -1;
}
