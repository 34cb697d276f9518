import { heldWords } from "./held-constant";

/**
 * The mask of `shared/alignment/mask.ts`, four Philox4x32-10 blocks (16 elements) at a time.
 * @param out receives a byte an element, 1 where it is frozen, for whole blocks: room for 16 bytes more than asked
 * @param blockLow, blockHigh number of the first block, that is of the first element div 4
 * @param blocks how many blocks of four elements
 */
export function frozenMask(
  out: usize,
  blockLow: u32,
  blockHigh: u32,
  blocks: i32,
  nameLow: u32,
  nameHigh: u32,
  keyLow: u32,
  keyHigh: u32,
  threshold: u32,
): void {
  const multiplier0 = heldWords(0xd2511f53);
  const multiplier1 = heldWords(0xcd9e8d57);
  const thresholds = i32x4.splat(threshold);
  const ones = heldWords(1);
  for (let done = 0; done < blocks; done += 4) {
    const first = blockLow + <u32>done;
    // Carry of the 64-bit counter: of the addition above for all lanes, of the lane's own offset for some.
    const high = blockHigh + <u32>(first < blockLow);
    let c0 = i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3));
    let c1 = i32x4.sub(i32x4.splat(high), i32x4.lt_u(c0, i32x4.splat(first)));
    let c2 = i32x4.splat(nameLow);
    let c3 = i32x4.splat(nameHigh);
    let k0 = keyLow;
    let k1 = keyHigh;
    for (let round = 0; round < 10; round++) {
      const p0 = i64x2.extmul_low_i32x4_u(c0, multiplier0);
      const q0 = i64x2.extmul_high_i32x4_u(c0, multiplier0);
      const p1 = i64x2.extmul_low_i32x4_u(c2, multiplier1);
      const q1 = i64x2.extmul_high_i32x4_u(c2, multiplier1);
      c0 = v128.xor(v128.xor(v128.shuffle<u32>(p1, q1, 1, 3, 5, 7), c1), i32x4.splat(k0));
      c1 = v128.shuffle<u32>(p1, q1, 0, 2, 4, 6);
      c2 = v128.xor(v128.xor(v128.shuffle<u32>(p0, q0, 1, 3, 5, 7), c3), i32x4.splat(k1));
      c3 = v128.shuffle<u32>(p0, q0, 0, 2, 4, 6);
      k0 += 0x9e3779b9;
      k1 += 0xbb67ae85;
    }
    // Lane b holds word j of block b in c_j: element 4 b + j is byte j of lane b.
    const mask = v128.or(
      v128.or(v128.and(i32x4.lt_u(c0, thresholds), ones), v128.and(i32x4.lt_u(c1, thresholds), i32x4.shl(ones, 8))),
      v128.or(
        v128.and(i32x4.lt_u(c2, thresholds), i32x4.shl(ones, 16)),
        v128.and(i32x4.lt_u(c3, thresholds), i32x4.shl(ones, 24)),
      ),
    );
    v128.store(out + ((<usize>done) << 2), mask);
  }
}
