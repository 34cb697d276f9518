import { Problem } from "../../shared/problem.ts";

/** What decides how much memory evaluating takes, in bytes. */
export interface Sizes {
  /** K. */
  readonly endpoints: number;
  /** All weights of one endpoint as float32. */
  readonly weights: number;
  /** The largest file of an endpoint. */
  readonly file: number;
  /** Files of the shards that are held together. */
  readonly shards: number;
  /** What the endpoints made of those shards, label by label ({@link tallyBytes}). */
  readonly tallies: number;
  /** File of the calibration shard, or 0. */
  readonly calibration: number;
  /** Intermediate results of one sample during a forward pass, and the sample. */
  readonly activations: number;
}

/** How much memory evaluating takes when, and at how many samples at a time. */
export interface MemoryPlan {
  /** An endpoint while it is decoded: its file, and a copy of what is being decoded. The decoded endpoints come on top. */
  readonly decoding: number;
  /** In the tfjs heap as long as the grid is walked: every endpoint, the model, and what combining endpoints needs. */
  readonly heap: number;
  /** Shards, as files and decoded; the tallies come on top. */
  readonly samples: number;
  readonly batch: number;
  /** Activations of a batch. */
  readonly activations: number;
  /** The most of all that at a time. */
  readonly peak: number;
}

/** An endpoint's file and, at the most, a copy of all of it while it is decoded. */
export function decodingBytes(file: number): number {
  return 2 * file;
}

/** What each of the endpoints made of so many labels: the labels, and for each endpoint whether it was right. */
export function tallyBytes(labels: number, endpoints: number): number {
  return labels * (4 + endpoints);
}

/** Of the budget, for activations: a larger batch is hardly faster, and the WASM heap never shrinks. */
const ACTIVATION_SHARE = 1 / 4;

/** Samples at a time where memory is no matter: of a small CNN 16 and 256 are a quarter slower (`npm run bench -- probe`). */
const BATCH = 64;

/**
 * Plans memory, and sizes the batch by the budget.
 * @param mostBatch samples at a time, as the question has it
 * @throws Problem `too-large-for-isolate` with the numbers, where even one sample at a time is too much
 */
export function planMemory(sizes: Sizes, limitBytes: number, mostBatch = BATCH): MemoryPlan {
  const { endpoints, weights, file, shards, tallies, calibration, activations } = sizes;
  const decoded = endpoints * weights;
  const decoding = decodingBytes(file);
  // The endpoints, the variables, and a difference and a sum of the largest tensor, which may be all of it.
  const heap = (endpoints + 3) * weights;
  const samples = 2 * (shards + calibration);
  const room = Math.min(limitBytes * ACTIVATION_SHARE, limitBytes - heap - samples - tallies);
  const batch = Math.max(1, Math.min(mostBatch, Math.floor(room / Math.max(1, activations))));
  // Decoded endpoints are dropped once they are in the heap, should there be no room for both.
  const peak = Math.max(decoded + decoding, decoded + heap, heap + samples + tallies + batch * activations);
  if (peak > limitBytes) {
    throw new Problem(
      "too-large-for-isolate",
      `Evaluating this needs about ${peak} bytes at a time; an isolate has ${limitBytes} for it.`,
      {
        neededBytes: peak,
        limitBytes,
        weightBytes: weights,
        endpoints,
        activationBytesPerSample: activations,
        batch,
        shardBytes: shards + calibration,
      },
    );
  }
  return { decoding, heap, samples, batch, activations: batch * activations, peak };
}
