import type { Shard } from "../../shared/evaluation/shard.ts";
import { RandomStream } from "../../shared/random/stream.ts";

/** The order in which a member sees the training samples in one epoch (counted from 0). */
export function epochOrder(seed: bigint, member: number, epoch: number, count: number): Uint32Array {
  return new RandomStream(seed, `order/${member}/${epoch}`).shuffle(Uint32Array.from({ length: count }, (_, i) => i));
}

/** Buffers of one batch, filled again for each step. */
export interface Batch {
  /** Real values, [batch, …inputShape]. */
  readonly inputs: Float32Array<ArrayBuffer>;
  /** [batch]. */
  readonly labels: Int32Array<ArrayBuffer>;
}

export function makeBatch(split: Shard, size: number): Batch {
  return { inputs: new Float32Array(size * (split.x.length / split.count)), labels: new Int32Array(size) };
}

/** Gathers the samples `order[begin]`, `order[begin + 1]`, … into a batch. */
export function fillBatch(split: Shard, order: Uint32Array, begin: number, { inputs, labels }: Batch): void {
  const { x, scale, offset } = split;
  const size = inputs.length / labels.length;
  for (let row = 0; row < labels.length; row++) {
    const sample = order[begin + row] ?? 0;
    labels[row] = split.y[sample] ?? 0;
    const from = sample * size;
    const to = row * size;
    for (let i = 0; i < size; i++) inputs[to + i] = (x[from + i] ?? 0) * scale + offset;
  }
}
