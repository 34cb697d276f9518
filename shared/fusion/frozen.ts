import { sha256 } from "@noble/hashes/sha2.js";
import { inScope } from "../alignment/mask-plan.ts";
import type { Alignment } from "../alignment/metadata.ts";
import type { MaskWords } from "../kernels/averaging.ts";

/** What the mask kernel needs to know for a tensor; undefined for tensors outside the mask's scope. */
export function maskWordsOf(family: Alignment, tensor: string): MaskWords | undefined {
  if (!inScope(family.scope, tensor)) return undefined;
  const digest = sha256(new TextEncoder().encode(tensor));
  const words = new DataView(digest.buffer, digest.byteOffset);
  return {
    seed: BigInt(family.seed),
    fixedRatio: family.fixedRatio,
    nameLow: words.getUint32(0, true),
    nameHigh: words.getUint32(4, true),
  };
}
