import * as z from "zod";
import { checkpointId, modelId } from "../identity.ts";
import { recipeSchema } from "../recipe/schema.ts";
import { gateDescription } from "./gates.ts";
import { soupSelection } from "./soup-trace.ts";

/** `manifest.json` of a published model: what it was made of, and what was found on the way. Never changes, once the model is public. */
export const modelManifest = z
  .object({
    version: z.literal(1).describe("Of this document's form"),
    id: modelId,
    recipe: recipeSchema,
    inputs: z.array(
      z.object({
        checkpoint: checkpointId,
        role: z.enum(["input", "base", "statistics"]),
        name: z.string().nullable().describe("What it was called where it was uploaded"),
        bytes: z.int(),
        weight: z
          .number()
          .describe("As the recipe has it; where it differs between tensors, what holds outside of layers"),
        coefficient: z
          .number()
          .nullable()
          .describe("What the input is multiplied by, where that is one number for all tensors"),
      }),
    ),
    coefficients: z
      .record(z.string(), z.array(z.number()))
      .nullable()
      .describe("By tensor, what each input, then the base, is multiplied by; null where that is one number for all"),
    sha256: z.string().describe("Of model.safetensors"),
    parts: z
      .object({ bytes: z.int().describe("Of each part but the last"), sha256: z.array(z.string()) })
      .describe("Digests of model.safetensors cut into equal parts, so that a reader can check a range"),
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
    milliseconds: z.number().describe("From the request or the Workflow's start until everything was stored"),
    path: z.enum(["inline", "lazy", "workflow"]).describe("How the bytes were made; they are the same either way"),
    selection: soupSelection.optional().describe("Of a soup: how its inputs were chosen"),
    gate: gateDescription.optional().describe("The verdict by which the model was published, or held back"),
  })
  .meta({ id: "Manifest" });

export type ModelManifest = z.infer<typeof modelManifest>;
