import * as z from "zod";
import { Problem } from "../problem.ts";
import { canonicalScope, type MaskPlan, maskScopeSchema, sameScope } from "./mask-plan.ts";

/** Key of the alignment facts in a safetensors file's `__metadata__`. */
export const ALIGNMENT_KEY = "edgefuse.alignment";

/** `edgefuse.alignment`: what a trainer declares about the mask a checkpoint was trained under. */
export const alignmentSchema = z
  .strictObject({
    scheme: z.literal("philox4x32-10"),
    /** The 64-bit mask seed in decimal; JSON numbers cannot hold it. */
    seed: z
      .string()
      .regex(/^(0|[1-9][0-9]{0,19})$/)
      .refine((text) => BigInt(text) < 2n ** 64n, "a seed has 64 bits"),
    fixedRatio: z.number().min(0).lt(1),
    /** Which tensors the mask touches; running statistics never are. */
    scope: maskScopeSchema,
    /** `zero`: held entries are 0, pruned at initialisation. Absent: they have their initial value. */
    frozen: z.literal("zero").optional(),
    /** SHA-256 of the weights that training started from, pruned ones at 0, as a safetensors file without metadata. */
    init: z.string().regex(/^[0-9a-f]{64}$/),
  })
  .meta({ id: "Alignment" });

export type Alignment = z.infer<typeof alignmentSchema>;

/**
 * What a trainer declares about a run under a plan.
 * @param init SHA-256 of the start (after pruning, if any) as a safetensors file without metadata, in hex
 */
export function alignmentOf(plan: MaskPlan, init: string): Alignment {
  return {
    scheme: "philox4x32-10",
    seed: String(plan.seed),
    fixedRatio: plan.fixedRatio,
    scope: canonicalScope(plan.scope),
    ...(plan.frozenValue === "zero" ? { frozen: "zero" as const } : {}),
    init,
  };
}

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
    sameScope(a.scope, b.scope) &&
    a.frozen === b.frozen &&
    a.init === b.init
  );
}
