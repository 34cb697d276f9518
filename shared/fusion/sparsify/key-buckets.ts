import type { KeyRange } from "./key-bins.ts";

/** Keys have 31 bits: the upper 16 are counted first, and among those that share them the lower 15. */
const LOW_BITS = 15;
export const HIGH_BUCKETS = 2 ** 16;
export const LOW_BUCKETS = 2 ** LOW_BITS;

/** Keys of the bucket of the rank-th largest and of those around it, as many as hold about so many elements. */
export function bucketsAround(counts: Uint32Array | Float64Array, rank: number, most: number): KeyRange {
  let [lowest] = bucketOf(counts, rank);
  let highest = lowest;
  let held = counts[lowest] ?? 0;
  for (;;) {
    const below = counts[lowest - 1] ?? Infinity;
    const above = counts[highest + 1] ?? Infinity;
    if (held + Math.min(below, above) > most) break;
    if (below <= above) lowest--;
    else highest++;
    held += Math.min(below, above);
  }
  return { low: keysOf(lowest).low, high: keysOf(highest).high };
}

/** Keys whose upper bits are a bucket's number. */
export function keysOf(bucket: number): KeyRange {
  return { low: bucket * LOW_BUCKETS, high: bucket * LOW_BUCKETS + LOW_BUCKETS - 1 };
}

/** Bucket of the rank-th largest, and its rank among that bucket. */
export function bucketOf(counts: Uint32Array | Float64Array, rank: number): [bucket: number, rest: number] {
  let rest = rank;
  for (let bucket = counts.length - 1; bucket >= 0; bucket--) {
    const count = counts[bucket] as number;
    if (count >= rest) return [bucket, rest];
    rest -= count;
  }
  throw new RangeError("more elements are sought than there are");
}
