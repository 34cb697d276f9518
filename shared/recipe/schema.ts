import * as z from "zod";
import { checkpointId } from "../identity.ts";

/** Output dtypes of a fusion; `input` keeps each tensor's own. */
export const outputDtype = z.enum(["input", "F16", "BF16", "F32", "F64"]);
export type OutputDtype = z.infer<typeof outputDtype>;

export const recipeInput = z.strictObject({
  checkpoint: checkpointId,
  weight: z.number().default(1),
});

/** Parameters of `linear`: y = (Σ w·x) / Σ w, or without the division where `normalize` is false. */
export const linearParameters = z.strictObject({ normalize: z.boolean().default(true) });

/**
 * What to fuse and how. Defaults are filled in on parsing, so a recipe that leaves one out and a recipe that spells it
 * out are the same recipe.
 */
export const recipeSchema = z.strictObject({
  method: z.literal("linear"),
  inputs: z.array(recipeInput).min(1).max(64),
  parameters: linearParameters.prefault({}),
  dtype: outputDtype.default("input"),
  /** Integer and boolean tensors must be equal (`error`), or the canonical first input's are taken (`first`). */
  nonFloat: z.enum(["first", "error"]).default("error"),
  /** Fuse inputs that hold NaN or infinity instead of refusing them. */
  allowNonFinite: z.boolean().default(false),
  /** Refuse unless the inputs declare one alignment family and their frozen entries are bit-equal. */
  requireAlignment: z.boolean().default(false),
});

export type Recipe = z.infer<typeof recipeSchema>;
export type RecipeInput = Recipe["inputs"][number];
