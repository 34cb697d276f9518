import type { Shard } from "../../shared/evaluation/shard.ts";
import { RandomStream } from "../../shared/random/stream.ts";
import { type Augmentation, augmentInto, type AugmentationStream, copyInto } from "../data/augmentation.ts";

/**
 * The order in which a member sees the training samples in one epoch (counted from 0).
 * @param samples how many there are, or the indices of those it sees
 */
export function epochOrder(
  seed: bigint,
  member: number,
  epoch: number,
  samples: number | Uint32Array<ArrayBuffer>,
): Uint32Array<ArrayBuffer> {
  const order = typeof samples === "number" ? Uint32Array.from({ length: samples }, (_, i) => i) : samples.slice();
  return new RandomStream(seed, `order/${member}/${epoch}`).shuffle(order);
}

/** Buffers of one batch, filled again for each step. */
export interface Batch {
  /** Samples. */
  readonly size: number;
  /** Real values, [size, …inputShape]. */
  readonly inputs: Float32Array<ArrayBuffer>;
  /** [size], or [size, length] for sequences. */
  readonly labels: Int32Array<ArrayBuffer>;
}

export function makeBatch({ x, y, count }: Shard, size: number): Batch {
  return {
    size,
    inputs: new Float32Array(size * (x.length / count)),
    labels: new Int32Array(size * (y.length / count)),
  };
}

/** How the samples of one epoch are changed. */
export interface EpochAugmentation {
  readonly augmentation: Augmentation;
  /** Of the member and epoch. */
  readonly random: AugmentationStream;
}

/**
 * Gathers the samples `order[begin]`, `order[begin + 1]`, … into a batch.
 * @param changed as they are by default
 */
export function fillBatch(
  split: Shard,
  order: Uint32Array,
  begin: number,
  { size, inputs, labels }: Batch,
  changed?: EpochAugmentation,
): void {
  const sampleSize = inputs.length / size;
  const labelSize = labels.length / size;
  for (let row = 0; row < size; row++) {
    const sample = order[begin + row] ?? 0;
    for (let i = 0; i < labelSize; i++) labels[row * labelSize + i] = split.y[sample * labelSize + i] ?? 0;
    if (changed === undefined) copyInto(split, sample, inputs, row * sampleSize);
    else augmentInto(split, sample, changed.random, changed.augmentation, inputs, row * sampleSize);
  }
}
