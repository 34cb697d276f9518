import { sha256 } from "@noble/hashes/sha2.js";
import type { Alignment } from "../alignment/metadata.ts";
import type { MaskWords } from "../kernels/averaging.ts";

/**
 * Running statistics of normalisation layers, as PyTorch and tf.layers name them. They are buffers, not weights: no mask
 * ever holds them, and they differ between members of a family.
 */
const BUFFER_NAME = /(^|[./])(running_mean|running_var|num_batches_tracked|moving_mean|moving_variance)$/;

/** What the mask kernel needs to know for a tensor; undefined for tensors outside the mask's scope. */
export function maskWordsOf(family: Alignment, tensor: string): MaskWords | undefined {
  if (BUFFER_NAME.test(tensor)) return undefined;
  const digest = sha256(new TextEncoder().encode(tensor));
  const words = new DataView(digest.buffer, digest.byteOffset);
  return {
    seed: BigInt(family.seed),
    fixedRatio: family.fixedRatio,
    nameLow: words.getUint32(0, true),
    nameHigh: words.getUint32(4, true),
  };
}
