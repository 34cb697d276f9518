import type { CombiningKernels, HeapRows } from "../../kernels/combining.ts";
import { HeapCounts } from "./heap-counts.ts";
import { type Cut, EVERYTHING, NOTHING } from "./selection.ts";

const LOW_BITS = 15;
const HIGH_BUCKETS = 2 ** 16;
const LOW_BUCKETS = 2 ** LOW_BITS;
const LARGEST_KEY = 0x7fffffff;
/** Pairs of key and index that are held at a time; at least the elements of a block. */
const CANDIDATES = 32_768;
const PAIR_BYTES = 8;
/** Standard deviations of a quantile so far, on both sides, that the final one is looked for in. */
const MARGIN = 4;

/** Bytes that the search for one input's cuts takes at most. */
export const SEARCH_BYTES = 4 * HIGH_BUCKETS + PAIR_BYTES * (CANDIDATES + 1);

/** A part of a stream, in the heap: rows, or their differences from a base (0 where there is none). */
export interface SearchedRow extends HeapRows {
  readonly address: number;
  readonly base: number;
  /** Index of the first element in the stream. */
  readonly first: number;
}

interface Sought {
  readonly rank: number;
  /** Bucket of the cut's key, and its rank among that bucket and later among equals. */
  high: number;
  rest: number;
  key: number;
  found: Cut | undefined;
}

/**
 * Looks for some cuts in one stream, round by round. The first round counts the upper 16 bits of all keys, and keeps a
 * list of those that the cut may come to be; mostly that settles it. Otherwise the second lists the keys of the bucket that
 * holds the cut or, if they are too many, counts them by their lower bits; and a third finds the last of those that equal
 * the cut. The list only saves rounds: the cuts are the same without it.
 */
export class CutSearch {
  readonly #elements: number;
  readonly #sought: readonly Sought[];
  #kernels: CombiningKernels | undefined;
  #list = 0;
  #listEnd = 0;
  #range = { low: 0, high: LARGEST_KEY };
  #listing: boolean;
  #high: HeapCounts | undefined;
  readonly #low = new Map<number, HeapCounts>();
  #seen = 0;

  /**
   * @param elements length of the stream
   * @param ranks how many elements lie within each cut
   */
  constructor(elements: number, ranks: readonly number[]) {
    this.#elements = elements;
    this.#sought = ranks.map((rank) => ({
      rank,
      high: -1,
      rest: rank,
      key: -1,
      found: rank <= 0 ? NOTHING : rank >= elements ? EVERYTHING : undefined,
    }));
    // Indices in the list have 32 bits.
    this.#listing = elements < 2 ** 32;
  }

  /** Whether every cut is known, so that no (further) round is needed. */
  get done(): boolean {
    return this.#pending.length === 0;
  }

  get cuts(): Cut[] {
    return this.#sought.map(({ found }) => found ?? NOTHING);
  }

  get #pending(): Sought[] {
    return this.#sought.filter(({ found }) => found === undefined);
  }

  /** Takes memory in the heap, which may move it: before anything looks into it. */
  prepare(kernels: CombiningKernels): void {
    if (this.#kernels !== undefined || this.done) return;
    this.#kernels = kernels;
    if (this.#elements > CANDIDATES) this.#high = new HeapCounts(kernels.heap, HIGH_BUCKETS);
    // The kernel writes one pair more than it keeps.
    this.#list = kernels.heap.allocate(PAIR_BYTES * (Math.min(CANDIDATES, this.#elements) + 1));
    this.#listEnd = this.#list;
  }

  /** First round. */
  countHigh(row: SearchedRow): void {
    const kernels = this.#ready();
    if (this.#listing && this.#listLength + row.count > CANDIDATES) this.#narrow();
    const list = this.#listing ? this.#listEnd : 0;
    this.#high?.expect(row.count);
    const counts = this.#high?.address ?? 0;
    const end = kernels.searchKeys(row, row.address, row.base, counts, this.#range, list, row.first >>> 0);
    if (this.#listing) this.#listEnd = end;
    this.#seen += row.count;
  }

  endHigh(): void {
    const kernels = this.#ready();
    const counts = this.#high?.take();
    for (const sought of this.#pending) {
      if (counts !== undefined) [sought.high, sought.rest] = bucketOf(counts, sought.rank);
      const bucket = sought.high * LOW_BUCKETS;
      const inRange = bucket >= this.#range.low && bucket + LOW_BUCKETS - 1 <= this.#range.high;
      if (this.#listing && (counts === undefined || inRange)) this.#settle(sought);
    }
    this.#high?.free();
    this.#high = undefined;
    const pending = this.#pending;
    if (pending.length === 0 || counts === undefined) return;
    const [bucket = 0] = pending.map(({ high }) => high);
    const alone = pending.every(({ high }) => high === bucket);
    this.#listing = alone && this.#elements < 2 ** 32 && (counts[bucket] ?? 0) <= CANDIDATES;
    this.#listEnd = this.#list;
    this.#range = { low: bucket * LOW_BUCKETS, high: bucket * LOW_BUCKETS + LOW_BUCKETS - 1 };
    if (this.#listing) return;
    for (const { high } of pending) {
      if (!this.#low.has(high)) this.#low.set(high, new HeapCounts(kernels.heap, LOW_BUCKETS));
    }
  }

  /** Second round. */
  countLow(row: SearchedRow): void {
    const kernels = this.#ready();
    if (this.#listing) {
      this.#listEnd = kernels.searchKeys(row, row.address, row.base, 0, this.#range, this.#listEnd, row.first >>> 0);
    }
    for (const [high, counts] of this.#low) {
      counts.expect(row.count);
      kernels.countLow(row, row.address, row.base, counts.address, high);
    }
  }

  endLow(): void {
    for (const sought of this.#pending) {
      const counts = this.#low.get(sought.high)?.take();
      if (counts === undefined) {
        this.#settle(sought);
        continue;
      }
      const [low, rest] = bucketOf(counts, sought.rest);
      sought.key = sought.high * LOW_BUCKETS + low;
      sought.rest = rest;
      if (counts[low] === rest) sought.found = { key: sought.key, last: Number.MAX_SAFE_INTEGER };
    }
    for (const counts of this.#low.values()) counts.free();
    this.#low.clear();
  }

  /** Third round, where equal magnitudes straddle a cut. */
  findLast(row: SearchedRow): void {
    const kernels = this.#ready();
    for (const sought of this.#pending) {
      // Block by block: the list need not hold all that are equal.
      const PART = Math.min(CANDIDATES, this.#elements);
      for (let begin = 0; begin < row.count && sought.found === undefined; begin += PART) {
        const part = { format: row.format, scratch: row.scratch, count: Math.min(PART, row.count - begin) };
        const width = row.format === "F64" ? 8 : 4;
        const range = { low: sought.key, high: sought.key };
        const base = row.base === 0 ? 0 : row.base + begin * width;
        const end = kernels.searchKeys(part, row.address + begin * width, base, 0, range, this.#list, begin);
        const found = (end - this.#list) / PAIR_BYTES;
        if (found < sought.rest) {
          sought.rest -= found;
          continue;
        }
        const pairs = new Uint32Array(kernels.heap.memory.buffer, this.#list, 2 * found);
        sought.found = { key: sought.key, last: row.first + (pairs[2 * sought.rest - 1] ?? 0) };
      }
    }
  }

  free(): void {
    this.#high?.free();
    for (const counts of this.#low.values()) counts.free();
    if (this.#list !== 0) this.#kernels?.heap.free(this.#list);
    this.#high = undefined;
    this.#low.clear();
    this.#list = 0;
  }

  get #listLength(): number {
    return (this.#listEnd - this.#list) / PAIR_BYTES;
  }

  #ready(): CombiningKernels {
    if (this.#kernels === undefined) throw new Error("the search was not prepared");
    return this.#kernels;
  }

  /** Finds a cut in the list, which holds all keys of its bucket or of its stream. */
  #settle(sought: Sought): void {
    const pairs = new Uint32Array(this.#ready().heap.memory.buffer, this.#list, 2 * this.#listLength);
    const bucket = sought.high * LOW_BUCKETS;
    const keys = new Uint32Array(pairs.length / 2);
    let length = 0;
    for (let at = 0; at < pairs.length; at += 2) {
      const key = pairs[at] as number;
      if (sought.high < 0 || (key >= bucket && key < bucket + LOW_BUCKETS)) keys[length++] = key;
    }
    const sorted = keys.subarray(0, length).sort();
    const key = sorted[length - sought.rest];
    if (key === undefined) throw new RangeError("more elements are sought than there are");
    const among = sorted.lastIndexOf(key) - (length - sought.rest) + 1;
    if (sorted[length - sought.rest - 1] !== key) {
      sought.found = { key, last: Number.MAX_SAFE_INTEGER };
      return;
    }
    for (let at = 0, passed = 0; at < pairs.length; at += 2) {
      if (pairs[at] !== key) continue;
      passed++;
      if (passed === among) {
        sought.found = { key, last: pairs[at + 1] as number };
        return;
      }
    }
  }

  /** Shortens the list to where the cut, by what was seen so far, will be. Gives it up where that is not short. */
  #narrow(): void {
    const pending = this.#pending;
    const [sought] = pending;
    const counts = this.#high?.peek();
    if (sought === undefined || pending.length !== 1 || counts === undefined) {
      this.#listing = false;
      return;
    }
    const share = sought.rank / this.#elements;
    const margin = MARGIN * Math.sqrt(this.#seen * share * (1 - share)) + 1;
    const clamp = (rank: number) => Math.min(this.#seen, Math.max(1, Math.round(rank)));
    const [top] = bucketOf(counts, clamp(this.#seen * share - margin));
    const [bottom] = bucketOf(counts, clamp(this.#seen * share + margin));
    const low = Math.max(this.#range.low, bottom * LOW_BUCKETS);
    const high = Math.min(this.#range.high, top * LOW_BUCKETS + LOW_BUCKETS - 1);
    this.#range = { low, high };
    this.#listEnd = this.#ready().narrowList(this.#list, this.#listEnd, low, high);
    // A list that is soon full again would be narrowed for every block.
    this.#listing = low <= high && this.#listLength <= CANDIDATES / 2;
  }
}

/** Bucket of the rank-th largest, and its rank among that bucket. */
function bucketOf(counts: Uint32Array | Float64Array, rank: number): [bucket: number, rest: number] {
  let rest = rank;
  for (let bucket = counts.length - 1; bucket >= 0; bucket--) {
    const count = counts[bucket] as number;
    if (count >= rest) return [bucket, rest];
    rest -= count;
  }
  throw new RangeError("more elements are sought than there are");
}
