import { ENTRY, firstEntry, lastEntry } from "../averaging/table";

/**
 * Puts -0 where every input of a weighted sum holds -0. A sum with weights of both signs makes +0 of it: -1 times -0 is +0,
 * and -0 + 0 too.
 * @param width bytes an element of the inputs; in each format -0 is the sign bit alone
 */
export function keepNegativeZeros(table: usize, output: usize, width: i32, outputWidth: i32, count: i32): void {
  const start = firstEntry(table);
  const end = lastEntry(table);
  const row = <usize>load<u32>(start);
  const zeros = i32x4.splat(0x80000000);
  for (let index = 0; index < count; ) {
    if (width == 4 && index + 4 <= count) {
      if (!v128.any_true(i32x4.eq(v128.load(row + (<usize>index << 2)), zeros))) {
        index += 4;
        continue;
      }
    }
    const last = width == 4 ? min(index + 4, count) : index + 1;
    for (; index < last; index++) {
      let all = true;
      for (let entry = start; all && entry < end; entry += ENTRY) {
        all = isNegativeZero(<usize>load<u32>(entry) + <usize>(index * width), width);
      }
      if (all) storeNegativeZero(output + <usize>(index * outputWidth), outputWidth);
    }
  }
}

@inline
function isNegativeZero(address: usize, width: i32): bool {
  if (width == 4) return load<u32>(address) == 0x80000000;
  if (width == 2) return load<u16>(address) == 0x8000;
  if (width == 1) return load<u8>(address) == 0x80;
  return load<u64>(address) == 0x8000000000000000;
}

@inline
function storeNegativeZero(address: usize, width: i32): void {
  if (width == 4) store<u32>(address, 0x80000000);
  else if (width == 2) store<u16>(address, 0x8000);
  else if (width == 1) store<u8>(address, 0x80);
  else store<u64>(address, 0x8000000000000000);
}
