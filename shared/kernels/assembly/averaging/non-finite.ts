/** Index that the last search of this module found; meaningful where its count was not 0. */
export let firstIndex: i32 = 0;

export function setFirstIndex(index: i32): void {
  firstIndex = index;
}

/** Bits of the exponent field, under which a number is NaN or infinite where they are all ones. */
@inline
function isNonFinite(dtype: i32, address: usize, index: i32): bool {
  if (dtype == 0) return (load<u32>(address + (<usize>index << 2)) & 0x7f800000) == 0x7f800000;
  if (dtype == 1) return (<u32>load<u16>(address + (<usize>index << 1)) & 0x7c00) == 0x7c00;
  if (dtype == 4) return (load<u8>(address + index) & 0x7f) == 0x7f;
  if (dtype == 5) return (load<u8>(address + index) & 0x7c) == 0x7c;
  if (dtype == 2) return (<u32>load<u16>(address + (<usize>index << 1)) & 0x7f80) == 0x7f80;
  return (load<u64>(address + (<usize>index << 3)) & 0x7ff0000000000000) == 0x7ff0000000000000;
}

/**
 * Counts NaN and infinities of a block; `firstIndex` is then the first of them.
 * @param marks a byte an element, set to 1 where the element is not finite and left alone elsewhere
 */
export function scanNonFinite(dtype: i32, address: usize, count: i32, marks: usize): i32 {
  let found = 0;
  for (let index = 0; index < count; index++) {
    if (isNonFinite(dtype, address, index)) {
      if (found == 0) firstIndex = index;
      found++;
      store<u8>(marks + index, 1);
    }
  }
  return found;
}

/** Counts elements that are not finite though no mark says that an input was: results that overflowed. */
export function countUnmarkedNonFinite(dtype: i32, address: usize, count: i32, marks: usize): i32 {
  let found = 0;
  for (let index = 0; index < count; index++) {
    if (isNonFinite(dtype, address, index) && load<u8>(marks + index) == 0) {
      if (found == 0) firstIndex = index;
      found++;
    }
  }
  return found;
}
