import type { Cut } from "./selection.ts";

/** Keys from `low` to `high`, both included. */
export interface KeyRange {
  readonly low: number;
  readonly high: number;
}

const BIN_BITS = 12;

/** How listed keys spread over a range, in bins of equal width: selection without sorting. */
export class KeyBins {
  readonly #pairs: Uint32Array;
  readonly #low: number;
  readonly #high: number;
  readonly #shift: number;
  readonly #counts = new Uint32Array(2 ** BIN_BITS);

  /**
   * @param pairs of key and index
   * @param range what lies outside does not count
   */
  constructor(pairs: Uint32Array, { low, high }: KeyRange) {
    this.#pairs = pairs;
    this.#low = low;
    this.#high = high;
    this.#shift = Math.max(0, 32 - Math.clz32(high - low) - BIN_BITS);
    for (let at = 0; at < pairs.length; at += 2) {
      const key = pairs[at] as number;
      if (key < low || key > high) continue;
      const bin = (key - low) >>> this.#shift;
      this.#counts[bin] = (this.#counts[bin] as number) + 1;
    }
  }

  /** The bin that holds the rank-th largest key, and how many keys lie above the bin. */
  binOf(rank: number): KeyRange & { readonly above: number; readonly count: number } {
    let above = 0;
    for (let bin = this.#counts.length - 1; bin >= 0; bin--) {
      const count = this.#counts[bin] as number;
      if (above + count >= rank) {
        const low = this.#low + bin * 2 ** this.#shift;
        return { low, high: Math.min(this.#high, low + 2 ** this.#shift - 1), above, count };
      }
      above += count;
    }
    throw new RangeError("more elements are sought than there are");
  }

  /** The rank-th largest key, and how many are larger. */
  largest(rank: number): { readonly key: number; readonly larger: number } {
    const { low, high, above, count } = this.binOf(rank);
    const members = new Uint32Array(count);
    let length = 0;
    for (let at = 0; at < this.#pairs.length; at += 2) {
      const key = this.#pairs[at] as number;
      if (key >= low && key <= high) members[length++] = key;
    }
    members.sort();
    const key = members[count - (rank - above)] as number;
    let larger = above;
    for (let at = count - 1; (members[at] as number) > key; at--) larger++;
    return { key, larger };
  }
}

/** The cut after the rank-th largest of the listed keys within a range. */
export function cutAmong(pairs: Uint32Array, range: KeyRange, rank: number): Cut {
  const { key, larger } = new KeyBins(pairs, range).largest(rank);
  const among = rank - larger;
  let passed = 0;
  let last = Number.MAX_SAFE_INTEGER;
  for (let at = 0; at < pairs.length; at += 2) {
    if (pairs[at] !== key) continue;
    passed++;
    if (passed === among) last = pairs[at + 1] as number;
  }
  return { key, last: passed === among ? Number.MAX_SAFE_INTEGER : last };
}
