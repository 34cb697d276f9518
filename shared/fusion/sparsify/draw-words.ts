import { sha256 } from "@noble/hashes/sha2.js";
import type { CheckpointId } from "../../identity.ts";
import type { DrawWords } from "../methods/method.ts";

/**
 * What a random mask of one tensor of one input is drawn by: Philox4x32-10 with the recipe's seed as key, and as
 * counter (block of four elements, first 8 bytes of SHA-256 of the tensor's name, a zero byte, and the input's digest).
 * So neither order, nor chunk, nor machine changes a mask, and inputs are thinned independently.
 */
export function drawWords(seed: bigint, tensor: string, input: CheckpointId): DrawWords {
  const digest = sha256(new TextEncoder().encode(`${tensor}\0${input}`));
  const words = new DataView(digest.buffer, digest.byteOffset);
  return { seed, low: words.getUint32(0, true), high: words.getUint32(4, true) };
}
