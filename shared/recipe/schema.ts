import * as z from "zod";
import type { FusionMethod } from "../fusion/methods/method.ts";
import { FUSION_METHODS } from "../fusion/methods/index.ts";
import { checkpointId, soupId } from "../identity.ts";
import type { Recipe, RecipeDraft } from "./recipe.ts";
import { tensorNumber } from "./tensor-number.ts";

export type { OutputDtype, Recipe, RecipeDraft, RecipeInput } from "./recipe.ts";

/** Output dtypes of a fusion; `input` keeps each tensor's own. */
export const outputDtype = z.enum(["input", "F8_E4M3", "F8_E5M2", "F16", "BF16", "F32", "F64"]);

/** What every form has; shared, since making schemas is most of a worker's start. */
const common = {
  dtype: outputDtype.default("input"),
  /** Integer and boolean tensors must be equal (`error`), or the canonical first input's are taken (`first`). */
  nonFloat: z.enum(["first", "error"]).default("error"),
  /** Fuse inputs that hold NaN or infinity instead of refusing them. */
  allowNonFinite: z.boolean().default(false),
  /** Refuse unless the inputs declare one alignment family and their frozen entries are bit-equal. */
  requireAlignment: z.boolean().default(false),
};
const optionalBase = checkpointId.optional();
/** Of linear recipes that a soup wrote: which search chose the inputs. */
const selection = z.strictObject({ soup: soupId }).optional();
const anyWeight = tensorNumber().default(1);

/**
 * What to fuse and how: one form for each method, told apart by `method`. Defaults are filled in on parsing, so a recipe
 * that leaves one out and a recipe that spells it out are the same recipe.
 */
export const recipeSchema: z.ZodType<Recipe, RecipeDraft> = z
  .discriminatedUnion(
    "method",
    // A union of one form at least; the registry is never empty.
    FUSION_METHODS.map(recipeForm) as [z.ZodObject, ...z.ZodObject[]],
  )
  .meta({ id: "Recipe" }) as unknown as z.ZodType<Recipe, RecipeDraft>;

function recipeForm(method: FusionMethod): z.ZodObject {
  const { least, most } = method.inputs;
  const form = z.strictObject({
    method: z.literal(method.id),
    inputs: z.array(inputForm(method)).min(least).max(most),
    ...(method.base === "none" ? {} : { base: method.base === "required" ? checkpointId : optionalBase }),
    parameters: z.strictObject(method.parameters).prefault({}),
    ...(method.id === "linear" ? { selection } : {}),
    ...common,
  });
  return form.meta({ id: `${pascalCase(method.id)}Recipe` });
}

/** `dare-ties` as API descriptions name types: `DareTies`. */
function pascalCase(name: string): string {
  return name.replaceAll(/(?:^|[-_])([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function inputForm({ weights, sidecar, inputParameters, id }: FusionMethod): z.ZodObject {
  const weight = weights ? anyWeight : z.literal(1, { error: `1: ${id} does not weigh its inputs` }).default(1);
  return z.strictObject({
    checkpoint: checkpointId,
    weight,
    ...(sidecar === undefined ? {} : { statistics: checkpointId }),
    ...Object.fromEntries(Object.entries(inputParameters).map(([name, form]) => [name, form.optional()])),
  });
}
