/**
 * Exact selection of the largest magnitudes of a stream: magnitudes are rounded to float32, whose 31 bits order as the
 * numbers do, and equal ones are taken in the order of their index, so that every result has one meaning.
 */

/** The first so many in order of falling magnitude: those above `key`, and those equal to it up to index `last`. */
export interface Cut {
  readonly key: number;
  readonly last: number;
}

/** Keys are below this: nothing lies above it. */
const NO_KEY = 0x80000000;

export const EVERYTHING: Cut = { key: -1, last: -1 };
export const NOTHING: Cut = { key: NO_KEY, last: -1 };

export function isWithin({ key, last }: Cut, candidate: number, index: number): boolean {
  return candidate > key || (candidate === key && index <= last);
}

/** Elements of a block that share the keys which stay: those in `[low, high]`. */
export interface KeptRange {
  readonly begin: number;
  readonly end: number;
  readonly low: number;
  readonly high: number;
}

const LARGEST_KEY = 0x7fffffff;

/**
 * What lies within `bottom` and not within `top`, as bounds of keys: where an index at which equals stop to count falls
 * into the block, the block comes in two parts, or three.
 */
export function keptRanges(top: Cut, bottom: Cut, first: number, count: number): KeptRange[] {
  const edges = [top.last - first + 1, bottom.last - first + 1].filter((edge) => 0 < edge && edge < count);
  const begins = edges.length === 0 ? [0] : [...new Set([0, ...edges])].toSorted((a, b) => a - b);
  return begins.map((begin, index) => {
    const low = Math.max(0, first + begin <= bottom.last ? bottom.key : bottom.key + 1);
    const high = Math.min(LARGEST_KEY, first + begin <= top.last ? top.key - 1 : top.key);
    const range = { begin, end: begins[index + 1] ?? count };
    return low > LARGEST_KEY ? { ...range, low: LARGEST_KEY, high: -1 } : { ...range, low, high };
  });
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
    for (let at = 0; at < values.length; at++) keys[at] = (keys[at] as number) & LARGEST_KEY;
    return keys;
  }
}
