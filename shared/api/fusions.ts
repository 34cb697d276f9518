import * as z from "zod";
import { checkpointId, modelId } from "../identity.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { recipeSchema } from "../recipe/schema.ts";
import { aliasName } from "./aliases.ts";
import { gateDescription, gateForm } from "./gates.ts";
import { problemSchema } from "./problem.ts";

export const visibilitySchema = z
  .enum(["public", "private"])
  .describe("Anyone reads a `public` model; a `private` one takes the scope `read` or a signed link");

export type Visibility = z.infer<typeof visibilitySchema>;

/** What to fuse. The recipe is checked by `parseRecipe`, which also canonicalizes it. */
export const createFusionRequest = z
  .strictObject({
    recipe: recipeSchema,
    materialize: z
      .enum(["eager", "lazy"])
      .default("eager")
      .describe("`eager` stores the model; `lazy` computes what is read of it, when it is read"),
    visibility: visibilitySchema
      .optional()
      .describe(
        "Where it is left out, a new model is public and one that is there stays as it is. To make a private model " +
          "public takes the scope `publish`; a public one stays public",
      ),
    gate: gateForm
      .optional()
      .describe("Keeps the model private until it has passed; where it does not, 409 `gate-refused` says why"),
    alias: aliasName
      .optional()
      .describe(
        "Points at the model once it is there and has passed its gates: the request's and, of a protected alias, the " +
          "alias's own. Takes the scope `publish`",
      ),
  })
  .refine(({ gate, materialize }) => gate === undefined || materialize === "eager", {
    error: "a gate evaluates the model, so it is made eagerly",
    path: ["materialize"],
  })
  .meta({ id: "CreateFusionRequest" });

/** A recipe to be looked at without fusing anything. */
export const planFusionRequest = z.strictObject({ recipe: recipeSchema }).meta({ id: "PlanFusionRequest" });

export const fusionState = z.enum(["lazy", "queued", "running", "succeeded", "failed", "cancelled"]);
export type FusionState = z.infer<typeof fusionState>;

export const fusionProgress = z
  .object({ bytesDone: z.int(), bytes: z.int(), partsDone: z.int(), parts: z.int() })
  .meta({ id: "FusionProgress" });

export type FusionProgress = z.infer<typeof fusionProgress>;

/** A fusion and where its result is. Equal recipes have one id. */
export const fusionDescription = z
  .object({
    id: modelId,
    state: fusionState.describe("`lazy`, `queued` and `running` models can be read already: what is read is computed"),
    recipe: recipeSchema.describe("In canonical form: defaults filled in, inputs sorted"),
    bytes: z.int(),
    sha256: z.string().nullable().describe("Of model.safetensors, lower-case hex; null until the model is stored"),
    progress: fusionProgress,
    problem: problemSchema.nullable().describe("Why the fusion failed"),
    visibility: visibilitySchema,
    gate: gateDescription.nullable().describe("Of several, the request's or else the last; null where there is none"),
    createdAt: z.string(),
    links: z.object({
      self: z.string(),
      events: z.string().describe("Progress as server-sent events"),
      plan: z.string(),
      model: z.string(),
      manifest: z.string(),
      topology: z.string().nullable().describe("model.json; null where TF.js cannot read the model's dtypes"),
    }),
  })
  .meta({ id: "Fusion" });

export type CreateFusionRequest = z.input<typeof createFusionRequest>;
export type FusionDescription = Omit<z.infer<typeof fusionDescription>, "recipe"> & { recipe: Recipe };

/** What a recipe comes to, tensor by tensor, before anything is computed. */
export const fusionPlanDescription = z
  .object({
    id: modelId,
    recipe: recipeSchema,
    bytes: z.int().describe("Of model.safetensors"),
    inputBytes: z.int().describe("Of the inputs' files together"),
    dataOffset: z.int(),
    elements: z.int(),
    path: z.enum(["inline", "workflow"]).describe("How an eager fusion would be made"),
    parts: z.object({ bytes: z.int(), count: z.int() }),
    needsStatistics: z.boolean().describe("Whether the inputs are read through once before they are combined"),
    inputs: z.array(
      z.object({ checkpoint: checkpointId, role: z.enum(["input", "base", "statistics"]), bytes: z.int() }),
    ),
    tensors: z
      .array(
        z.object({
          name: z.string(),
          dtype: z.string(),
          shape: z.array(z.int()),
          begin: z.int().describe("First byte in model.safetensors"),
          end: z.int(),
          treatment: z.enum(["computed", "copied"]),
          parameters: z.record(z.string(), z.union([z.number(), z.boolean(), z.string()])).optional(),
          inputs: z
            .array(z.record(z.string(), z.number()))
            .optional()
            .describe("Of each input: its weight, and the parameters that inputs may override"),
          coefficients: z
            .array(z.number())
            .optional()
            .describe("What each input, then the base, is multiplied by, where that is known"),
        }),
      )
      .describe("In the order of the file"),
  })
  .meta({ id: "FusionPlan" });

export type FusionPlanDescription = z.infer<typeof fusionPlanDescription>;
