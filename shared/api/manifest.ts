import * as z from "zod";
import { checkpointId, modelId } from "../identity.ts";
import { recipeSchema } from "../recipe/schema.ts";

/** `manifest.json` of a published model: what it was made of, and what was found on the way. Never changes. */
export const modelManifest = z
  .object({
    version: z.literal(1).describe("Of this document's form"),
    id: modelId,
    recipe: recipeSchema,
    inputs: z.array(
      z.object({
        checkpoint: checkpointId,
        bytes: z.int(),
        weight: z.number().describe("As the recipe has it"),
        coefficient: z.number().describe("What the weight comes to: divided by the sum where the recipe normalizes"),
      }),
    ),
    sha256: z.string().describe("Of model.safetensors"),
    bytes: z.int(),
    tensors: z.int(),
    elements: z.int(),
    nonFinite: z
      .array(z.object({ input: checkpointId, count: z.int() }))
      .describe("Elements that are NaN or infinite, by input"),
    overflows: z.int().describe("Results that became infinite though all inputs were finite"),
    alignment: z.object({
      declared: z.boolean().describe("Whether all inputs declare the same start and the same mask"),
      verified: z.boolean().describe("Whether every frozen entry was found bit-equal in all inputs"),
      frozenElements: z.int(),
      mismatches: z.int(),
      first: z.object({ tensor: z.string(), index: z.int(), input: checkpointId }).nullable(),
    }),
    engine: z.object({ name: z.literal("edgefuse"), version: z.string() }),
    createdAt: z.string(),
    milliseconds: z.number().describe("Reading, averaging and storing together"),
  })
  .meta({ id: "Manifest" });

export type ModelManifest = z.infer<typeof modelManifest>;
