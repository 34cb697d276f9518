import { sha256 } from "@noble/hashes/sha2.js";
import { philox4x32 } from "../random/philox.ts";

/** What decides a mask: the 64-bit seed and the share of entries that keep their initial value. */
export interface MaskSpec {
  readonly seed: bigint;
  /** In [0, 1). 0.4 = 40 % frozen. */
  readonly fixedRatio: number;
}

/**
 * The mask of TNA-PFN (arXiv:2402.01342) for a range of one tensor: 1 where the entry is frozen, 0 where it trains.
 *
 * Element `e` (row-major) of tensor `name` is frozen iff lane `e mod 4` of Philox4x32-10 is below
 * `floor(fixedRatio * 2^32)`, with the seed as key and `(e div 4, first 8 bytes of SHA-256(name))` as counter. Nothing
 * else enters, so every language, machine and chunk draws the same mask.
 * @param begin first element of the range
 * @param count number of elements
 */
export function frozenMask(spec: MaskSpec, name: string, begin: number, count: number): Uint8Array<ArrayBuffer> {
  const threshold = Math.floor(spec.fixedRatio * 2 ** 32);
  const key = [Number(spec.seed & 0xffffffffn), Number((spec.seed >> 32n) & 0xffffffffn)] as const;
  const nameWords = new DataView(sha256(new TextEncoder().encode(name)).buffer);
  const nameLow = nameWords.getUint32(0, true);
  const nameHigh = nameWords.getUint32(4, true);

  const mask = new Uint8Array(count);
  if (threshold === 0) return mask;
  const lanes = new Uint32Array(4);
  const end = begin + count;
  for (let block = Math.floor(begin / 4); block * 4 < end; block++) {
    philox4x32([block >>> 0, Math.floor(block / 2 ** 32), nameLow, nameHigh], key, lanes);
    for (let lane = 0; lane < 4; lane++) {
      const element = block * 4 + lane;
      if (element >= begin && element < end && (lanes[lane] ?? 0) < threshold) mask[element - begin] = 1;
    }
  }
  return mask;
}
