import type { CombiningKernels, HeapRows } from "../../kernels/combining.ts";
import { HeapCounts } from "./heap-counts.ts";
import { cutAmong, KeyBins, type KeyRange } from "./key-bins.ts";
import { bucketOf, bucketsAround, HIGH_BUCKETS, keysOf, LOW_BUCKETS } from "./key-buckets.ts";
import { type Cut, EVERYTHING, NOTHING } from "./selection.ts";

const LARGEST_KEY = 0x7fffffff;
/** Pairs of key and index that are held at a time; at least the elements of a block. */
const CANDIDATES = 32_768;
const PAIR_BYTES = 8;
/** Standard deviations of a quantile so far, on both sides, that the final one is looked for in. */
const MARGIN = 4;
/** As many listed elements on both sides at least: tensors differ from place to place more than chance would have it. */
const LEAST_MARGIN = CANDIDATES / 16;
/** Elements that are counted in all, roughly, while the others are swept; but at least a part of them all. */
const SAMPLE = 262_144;
const LEAST_SAMPLED = 32;

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
 * Looks for some cuts in one stream, round by round: every element is shown to `look`, then `endRound` says that all were,
 * until the search is `done`. The cuts do not depend on how the stream comes in blocks.
 *
 * The first round counts the upper 16 bits of all keys, and keeps a list of those that the cut may come to be. As soon as
 * the list shows to what small range of keys that is, the rest is swept: what lies above the range is only counted, what
 * lies within is listed, and of a part of the blocks keys are still counted by their upper bits. Mostly that settles it.
 * Where the stream's end is unlike its beginning, and the cut is not in the range, a round that counts everything follows,
 * with a list of the range that the part suggests. Where the list does not settle it, a further round lists the keys of the
 * bucket that holds the cut or, if they are too many, counts them by their lower bits; and another finds the last of those
 * that equal the cut.
 */
export class CutSearch {
  readonly #elements: number;
  readonly #sought: readonly Sought[];
  #pending: readonly Sought[];
  #stage: "high" | "low" | "last" = "high";
  #kernels: CombiningKernels | undefined;
  #list = 0;
  #listEnd = 0;
  #range: KeyRange = { low: 0, high: LARGEST_KEY };
  #listing: boolean;
  /** Whether sweeping is still to be tried, goes on, or is over. */
  #sweep: "untried" | "on" | "over" = "untried";
  /** Of so many blocks one is counted while the others are swept. */
  readonly #sampled: number;
  /** Blocks that were swept, and keys that lay above the range. */
  #swept = 0;
  #above = 0;
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
    this.#pending = this.#sought.filter(({ found }) => found === undefined);
    // Indices in the list have 32 bits.
    this.#listing = elements < 2 ** 32;
    this.#sampled = Math.min(LEAST_SAMPLED, Math.max(1, Math.floor(elements / SAMPLE)));
  }

  /** Whether every cut is known, so that no (further) round is needed. */
  get done(): boolean {
    return this.#pending.length === 0;
  }

  get cuts(): Cut[] {
    return this.#sought.map(({ found }) => found ?? NOTHING);
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

  /** Takes a part of the stream into account; parts come in order. */
  look(row: SearchedRow): void {
    if (this.#stage === "high") this.#lookHigh(row);
    else if (this.#stage === "low") this.#lookLow(row);
    else this.#lookLast(row);
  }

  /** To be called when the whole stream was looked at. */
  endRound(): void {
    if (this.#stage === "high") this.#endHigh();
    else if (this.#stage === "low") this.#endLow();
    this.#pending = this.#sought.filter(({ found }) => found === undefined);
  }

  free(): void {
    this.#high?.free();
    for (const counts of this.#low.values()) counts.free();
    if (this.#list !== 0) this.#kernels?.heap.free(this.#list);
    this.#high = undefined;
    this.#low.clear();
    this.#list = 0;
  }

  #lookHigh(row: SearchedRow): void {
    const kernels = this.#ready();
    if (this.#listing && this.#listLength + row.count > CANDIDATES) this.#narrow();
    this.#seen += row.count;
    const sweeping = this.#sweep === "on";
    if (sweeping && this.#listing) {
      const { end, above } = kernels.sweepKeys(row, row.address, row.base, this.#range, this.#listEnd, row.first >>> 0);
      this.#listEnd = end;
      this.#above += above;
    }
    if (sweeping && this.#swept++ % this.#sampled !== 0) return;
    const list = this.#listing && !sweeping ? this.#listEnd : 0;
    this.#high?.expect(row.count);
    const counts = this.#high?.address ?? 0;
    const end = kernels.searchKeys(row, row.address, row.base, counts, this.#range, list, row.first >>> 0);
    if (list !== 0) this.#listEnd = end;
  }

  #endHigh(): void {
    const kernels = this.#ready();
    if (this.#sweep === "on") {
      this.#endSweep();
      return;
    }
    const counts = this.#high?.take();
    for (const sought of this.#pending) {
      if (counts !== undefined) [sought.high, sought.rest] = bucketOf(counts, sought.rank);
      const bucket = sought.high * LOW_BUCKETS;
      const inRange = bucket >= this.#range.low && bucket + LOW_BUCKETS - 1 <= this.#range.high;
      if (this.#listing && (counts === undefined || inRange)) this.#settle(sought);
    }
    this.#high?.free();
    this.#high = undefined;
    this.#stage = "low";
    const pending = this.#pending.filter(({ found }) => found === undefined);
    if (pending.length === 0 || counts === undefined) return;
    const [bucket = 0] = pending.map(({ high }) => high);
    const alone = pending.every(({ high }) => high === bucket);
    this.#listing = alone && this.#elements < 2 ** 32 && (counts[bucket] ?? 0) <= CANDIDATES;
    this.#listEnd = this.#list;
    this.#range = keysOf(bucket);
    if (this.#listing) return;
    for (const { high } of pending) {
      if (!this.#low.has(high)) this.#low.set(high, new HeapCounts(kernels.heap, LOW_BUCKETS));
    }
  }

  /** Settles the cut if it is in the range; else makes ready for a round that counts everything. */
  #endSweep(): void {
    const [sought] = this.#pending;
    const counts = this.#high?.take();
    if (sought === undefined || counts === undefined) throw new Error("nothing was swept");
    this.#sweep = "over";
    const rest = sought.rank - this.#above;
    if (this.#listing && rest >= 1 && rest <= this.#listLength) {
      sought.rest = rest;
      this.#settle(sought);
      return;
    }
    let sampled = 0;
    for (const count of counts) sampled += count;
    const around = Math.max(1, Math.round((sampled * sought.rank) / this.#elements));
    this.#range = bucketsAround(counts, around, CANDIDATES / 2 / this.#sampled);
    this.#high?.clear();
    this.#listEnd = this.#list;
    this.#listing = true;
    this.#seen = 0;
  }

  #lookLow(row: SearchedRow): void {
    const kernels = this.#ready();
    if (this.#listing) {
      this.#listEnd = kernels.searchKeys(row, row.address, row.base, 0, this.#range, this.#listEnd, row.first >>> 0);
    }
    for (const [high, counts] of this.#low) {
      counts.expect(row.count);
      kernels.countLow(row, row.address, row.base, counts.address, high);
    }
  }

  #endLow(): void {
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
    this.#stage = "last";
  }

  /** Where equal magnitudes straddle a cut. */
  #lookLast(row: SearchedRow): void {
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

  get #listLength(): number {
    return (this.#listEnd - this.#list) / PAIR_BYTES;
  }

  #ready(): CombiningKernels {
    if (this.#kernels === undefined) throw new Error("the search was not prepared");
    return this.#kernels;
  }

  /** The list's pairs of key and index, valid until the heap moves. */
  get #pairs(): Uint32Array {
    return new Uint32Array(this.#ready().heap.memory.buffer, this.#list, 2 * this.#listLength);
  }

  /** Finds a cut in the list, which holds all keys of its bucket, of the swept range, or of the stream. */
  #settle(sought: Sought): void {
    sought.found = cutAmong(this.#pairs, sought.high < 0 ? this.#range : keysOf(sought.high), sought.rest);
  }

  /** Shortens the list to where the cut, by what was seen so far, will be. Gives it up where that is not short. */
  #narrow(): void {
    const [sought] = this.#pending;
    if (sought === undefined || this.#pending.length !== 1 || this.#sweep === "over") {
      this.#listing = false;
      return;
    }
    const share = sought.rank / this.#elements;
    const margin = Math.max(LEAST_MARGIN, MARGIN * Math.sqrt(this.#seen * share * (1 - share)));
    // Ranks among what is listed: a cut that leaves the range can only be found in another round.
    const first = Math.max(1, Math.floor(this.#seen * share - margin) - this.#above);
    const last = Math.min(this.#listLength, Math.ceil(this.#seen * share + margin) - this.#above);
    this.#listing = first <= last;
    if (!this.#listing) return;
    const bins = new KeyBins(this.#pairs, this.#range);
    const { high, above } = bins.binOf(first);
    const { low } = bins.binOf(last);
    this.#range = { low, high };
    this.#above += above;
    this.#listEnd = this.#ready().narrowList(this.#list, this.#listEnd, low, high);
    // A list that is soon full again would be narrowed for every block.
    this.#listing = this.#listLength <= CANDIDATES / 2;
    if (!this.#listing || this.#sweep === "on") return;
    this.#sweep = "on";
    this.#high?.divide(this.#sampled);
  }
}
