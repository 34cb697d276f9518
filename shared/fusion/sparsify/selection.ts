/**
 * Exact selection of the largest magnitudes of a stream, by radix: magnitudes are rounded to float32, whose 31 bits order
 * as the numbers do. One pass counts the upper 16 bits, a second the lower 15 of those that share the decisive upper
 * ones; equal magnitudes are taken in the order of their index, so that every result has one meaning.
 */

/** The first so many in order of falling magnitude: those above `key`, and those equal to it up to index `last`. */
export interface Cut {
  readonly key: number;
  readonly last: number;
}

/** Keys are below this: nothing lies above it. */
const NO_KEY = 0x80000000;
const LOW_BITS = 15;
const HIGH_BUCKETS = 2 ** 16;
const LOW_BUCKETS = 2 ** LOW_BITS;

export const EVERYTHING: Cut = { key: -1, last: -1 };
export const NOTHING: Cut = { key: NO_KEY, last: -1 };

export function isWithin({ key, last }: Cut, candidate: number, index: number): boolean {
  return candidate > key || (candidate === key && index <= last);
}

/** Turns float64 into the keys of their magnitudes. The array is overwritten by the next call. */
export class MagnitudeKeys {
  #singles = new Float32Array(0);
  #keys = new Uint32Array(0);

  of(values: Float64Array): Uint32Array<ArrayBuffer> {
    if (this.#singles.length < values.length) {
      this.#singles = new Float32Array(values.length);
      this.#keys = new Uint32Array(this.#singles.buffer);
    }
    this.#singles.set(values);
    const keys = this.#keys;
    for (let at = 0; at < values.length; at++) keys[at] = (keys[at] as number) & 0x7fffffff;
    return keys;
  }
}

type Counts = Uint32Array | Float64Array;

/** Looks for some cuts in one stream of keys, round by round. */
export class CutSearch {
  readonly #elements: number;
  readonly #sought: { readonly rank: number; high: number; rest: number; found: Cut | undefined }[];
  #high: Counts | undefined;
  readonly #low = new Map<number, Counts>();
  /** Equal keys that have passed, by cut, while the last index is looked for. */
  #passed: number[] = [];

  /**
   * @param elements length of the stream
   * @param ranks how many elements lie within each cut
   */
  constructor(elements: number, ranks: readonly number[]) {
    this.#elements = elements;
    this.#sought = ranks.map((rank) => ({
      rank,
      high: -1,
      rest: 0,
      found: rank <= 0 ? NOTHING : rank >= elements ? EVERYTHING : undefined,
    }));
  }

  /** Whether every cut is known, so that no (further) round is needed. */
  get done(): boolean {
    return this.#sought.every(({ found }) => found !== undefined);
  }

  get cuts(): Cut[] {
    return this.#sought.map(({ found }) => found ?? NOTHING);
  }

  /** First round. */
  countHigh(keys: Uint32Array, count: number): void {
    const counts = (this.#high ??= this.#counts(HIGH_BUCKETS));
    for (let at = 0; at < count; at++) {
      const bucket = (keys[at] as number) >>> LOW_BITS;
      counts[bucket] = (counts[bucket] as number) + 1;
    }
  }

  endHigh(): void {
    for (const sought of this.#sought) {
      if (sought.found !== undefined || this.#high === undefined) continue;
      const [bucket, rest] = bucketOf(this.#high, sought.rank);
      sought.high = bucket;
      sought.rest = rest;
      if (!this.#low.has(bucket)) this.#low.set(bucket, this.#counts(LOW_BUCKETS));
    }
    this.#high = undefined;
  }

  /** Second round. */
  countLow(keys: Uint32Array, count: number): void {
    for (const [high, counts] of this.#low) {
      for (let at = 0; at < count; at++) {
        const key = keys[at] as number;
        if (key >>> LOW_BITS === high) {
          counts[key & (LOW_BUCKETS - 1)] = (counts[key & (LOW_BUCKETS - 1)] as number) + 1;
        }
      }
    }
  }

  endLow(): void {
    for (const sought of this.#sought) {
      const counts = this.#low.get(sought.high);
      if (sought.found !== undefined || counts === undefined) continue;
      const [low, rest] = bucketOf(counts, sought.rest);
      const key = sought.high * LOW_BUCKETS + low;
      if (counts[low] === rest) sought.found = { key, last: Number.MAX_SAFE_INTEGER };
      else Object.assign(sought, { high: key, rest });
    }
    this.#low.clear();
    this.#passed = this.#sought.map(() => 0);
  }

  /** Third round, where equal magnitudes straddle a cut. */
  findLast(keys: Uint32Array, first: number, count: number): void {
    for (const [cut, sought] of this.#sought.entries()) {
      if (sought.found !== undefined) continue;
      let passed = this.#passed[cut] ?? 0;
      for (let at = 0; at < count; at++) {
        if (keys[at] !== sought.high) continue;
        passed++;
        if (passed === sought.rest) {
          sought.found = { key: sought.high, last: first + at };
          break;
        }
      }
      this.#passed[cut] = passed;
    }
  }

  #counts(buckets: number): Counts {
    return this.#elements < 2 ** 32 ? new Uint32Array(buckets) : new Float64Array(buckets);
  }
}

/** Bucket of the rank-th largest, and its rank among that bucket. */
function bucketOf(counts: Counts, rank: number): [bucket: number, rest: number] {
  let rest = rank;
  for (let bucket = counts.length - 1; bucket >= 0; bucket--) {
    const count = counts[bucket] as number;
    if (count >= rest) return [bucket, rest];
    rest -= count;
  }
  throw new RangeError("more elements are sought than there are");
}

/** Bytes that the search for one input's cuts takes at most. */
export const SEARCH_BYTES = 4 * (HIGH_BUCKETS + 2 * LOW_BUCKETS);
