import * as z from "zod";
import { modelId } from "../identity.ts";
import { type Recipe, recipeSchema } from "../recipe/schema.ts";

/** What to fuse. The recipe is checked by `parseRecipe`, which also canonicalizes it. */
export const createFusionRequest = z.strictObject({ recipe: recipeSchema }).meta({ id: "CreateFusionRequest" });

/** A fusion and where its result is. Equal recipes have one id. */
export const fusionDescription = z
  .object({
    id: modelId,
    state: z.literal("succeeded"),
    recipe: recipeSchema.describe("In canonical form: defaults filled in, inputs sorted"),
    bytes: z.int(),
    sha256: z.string().describe("Of model.safetensors, lower-case hex"),
    createdAt: z.string(),
    links: z.object({
      model: z.string(),
      manifest: z.string(),
      topology: z.string().nullable().describe("model.json; null where TF.js cannot read the model's dtypes"),
    }),
  })
  .meta({ id: "Fusion" });

export type CreateFusionRequest = z.input<typeof createFusionRequest>;
export type FusionDescription = Omit<z.infer<typeof fusionDescription>, "recipe"> & { recipe: Recipe };
