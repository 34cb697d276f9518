/**
 * Reading a mask of one bit an entry, entry 0 in the lowest bit of the first byte, 1 = frozen. Loops keep the next 32 bits
 * in every lane of a vector (`nextBits`) and take four at a time from its low end (`freeLanes`).
 */

/**
 * The lowest four bits, one a lane. Made of a number that the compiler does not know: V8 would build a constant anew in
 * every turn of a loop, which costs more than the update itself; this stays in a register.
 * @param one 1
 */
@inline
export function lowBits(one: i32): v128 {
  return i32x4.mul(i32x4.splat(one), i32x4(1, 2, 4, 8));
}

/** The bits of entry `index`, a multiple of `step`, and those that follow. @param bits those of entry `index - step` */
@inline
export function nextBits(frozen: usize, bits: v128, index: i32, step: i32): v128 {
  return (index & 31) == 0 ? v128.load_splat<u32>(frozen + ((<usize>index) >> 3)) : i32x4.shr_u(bits, step);
}

/** Lanes all ones where the entry is free, all zeros where it is frozen. @param lanes one bit a lane */
@inline
export function freeLanes(bits: v128, lanes: v128): v128 {
  return i32x4.eq(v128.and(bits, lanes), i32x4.splat(0));
}

/** Whether one entry is frozen. @param frozen address of the whole mask, or 0 where nothing is */
@inline
export function isFrozen(frozen: usize, index: i32): bool {
  return frozen != 0 && ((load<u8>(frozen + ((<usize>index) >> 3)) >> (<u8>(index & 7))) & 1) != 0;
}
