import * as tf from "@tensorflow/tfjs-core";
import { Problem } from "../problem.ts";

/** How far tensors may grow at this moment, and how far they have grown; undefined where nobody watches. */
let watch: { readonly limitBytes: number; readonly baseBytes: number; peakBytes: number } | undefined;

/**
 * Runs tensor operations that a stranger wrote: where one of them would make the heap of the WASM backend hold more than
 * `bytes` beyond what it holds now, it fails instead. Other backends are not watched.
 * @param work synchronous; gets a function that tells the most bytes held so far, beyond those at the start
 * @throws Problem `too-large-for-isolate`
 */
export function withHeapLimit<Result>(bytes: number, work: (peakBytes: () => number) => Result): Result {
  const before = watch;
  const own = { limitBytes: bytes, baseBytes: tf.memory().numBytes, peakBytes: 0 };
  watch = own;
  try {
    return work(() => own.peakBytes);
  } finally {
    watch = before;
  }
}

/**
 * Called by the backend before it takes memory for a tensor.
 * @throws Problem `too-large-for-isolate`
 */
export function watchAllocation(bytes: number): void {
  if (watch === undefined) return;
  const held = tf.memory().numBytes - watch.baseBytes + bytes;
  watch.peakBytes = Math.max(watch.peakBytes, held);
  if (held > watch.limitBytes) {
    throw new Problem(
      "too-large-for-isolate",
      `The model's intermediate results take ${held} bytes; ${watch.limitBytes} are allowed.`,
      { neededBytes: held, limitBytes: watch.limitBytes },
    );
  }
}
