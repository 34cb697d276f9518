import * as z from "zod";
import { Problem } from "../problem.ts";

/** Key of the alignment facts in a safetensors file's `__metadata__`. */
export const ALIGNMENT_KEY = "edgefuse.alignment";

/** `edgefuse.alignment`: what a trainer declares about the mask a checkpoint was trained under. */
export const alignmentSchema = z.strictObject({
  scheme: z.literal("philox4x32-10"),
  /** The 64-bit mask seed in decimal; JSON numbers cannot hold it. */
  seed: z
    .string()
    .regex(/^(0|[1-9][0-9]{0,19})$/)
    .refine((text) => BigInt(text) < 2n ** 64n, "a seed has 64 bits"),
  fixedRatio: z.number().min(0).lt(1),
  scope: z.literal("all"),
  /** SHA-256 of the initial weights as a safetensors file without metadata. */
  init: z.string().regex(/^[0-9a-f]{64}$/),
});

export type Alignment = z.infer<typeof alignmentSchema>;

/**
 * Reads the alignment facts from a file's metadata; undefined where it declares none.
 * @throws Problem `invalid-metadata` where it declares something else
 */
export function readAlignment(metadata: Readonly<Record<string, string>>): Alignment | undefined {
  const text = metadata[ALIGNMENT_KEY];
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Problem("invalid-metadata", `${ALIGNMENT_KEY} is not JSON.`, { key: ALIGNMENT_KEY });
  }
  const parsed = alignmentSchema.safeParse(value);
  if (!parsed.success) {
    throw new Problem("invalid-metadata", `${ALIGNMENT_KEY}: ${z.prettifyError(parsed.error)}`, { key: ALIGNMENT_KEY });
  }
  return parsed.data;
}

/** Two checkpoints of one family: same start, same mask. Only then are their frozen entries equal. */
export function sameFamily(a: Alignment, b: Alignment): boolean {
  return (
    a.scheme === b.scheme &&
    a.seed === b.seed &&
    a.fixedRatio === b.fixedRatio &&
    a.scope === b.scope &&
    a.init === b.init
  );
}
