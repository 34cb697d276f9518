import { encodeShard, labelsPerSample, type Shard } from "../../shared/evaluation/shard.ts";

/** Samples `begin` to `end` (exclusive) of a split. */
export function sliceShard(split: Shard, begin: number, end: number): Shard {
  const sampleSize = split.x.length / split.count;
  const labels = labelsPerSample(split);
  return {
    ...split,
    count: end - begin,
    x: split.x.slice(begin * sampleSize, end * sampleSize),
    y: split.y.slice(begin * labels, end * labels),
  };
}

/**
 * Cuts a split into shard files of at most `size` samples, in the split's order. Nothing but the samples enters the
 * bytes, so equal data gives equal shard ids.
 * @param most samples in all; the whole split by default
 */
export function* shardFiles(
  split: Shard,
  size: number,
  most = split.count,
): Generator<{ readonly count: number; readonly file: Uint8Array<ArrayBuffer> }> {
  const total = Math.min(most, split.count);
  for (let begin = 0; begin < total; begin += size) {
    const end = Math.min(begin + size, total);
    yield { count: end - begin, file: encodeShard(sliceShard(split, begin, end)) };
  }
}
