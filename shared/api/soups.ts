import * as z from "zod";
import { checkpointId, datasetName, modelId, shardId, soupId } from "../identity.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { recipeSchema } from "../recipe/schema.ts";
import { evaluationForm } from "./evaluation-form.ts";
import { visibilitySchema } from "./fusions.ts";
import { pageOf, pageQuery } from "./paging.ts";
import { problemSchema } from "./problem.ts";
import { soupDecision } from "./soup-trace.ts";

export const soupKind = z.enum(["uniform", "greedy", "learned"]);

/** Which checkpoints may go into a soup, and by which data it is decided. */
export const createSoupRequest = z
  .strictObject({
    kind: soupKind
      .default("greedy")
      .describe(
        "`uniform`: the mean of all that can be evaluated. `greedy`: one after the other, best first, each taken only " +
          "where the mean gets strictly more accurate. `learned`: the greedy one, then a search over mixing weights",
      ),
    checkpoints: z
      .array(checkpointId)
      .min(2)
      .max(64)
      .refine((ids) => new Set(ids).size === ids.length, "each checkpoint once")
      .describe("Candidates; their order counts for nothing"),
    dataset: datasetName.describe("Held-out data"),
    version: z.int().min(1).optional().describe("Of the dataset; the latest where it is left out"),
    statistics: z.enum(["interpolated", "recomputed"]).default("interpolated"),
    calibration: shardId.optional().describe("Shard that statistics are recomputed on; goes with `recomputed`"),
    as: evaluationForm.optional().describe("How the weights are to be read, where the files do not say"),
    visibility: visibilitySchema.optional().describe("Of the model that is made; public where it is left out"),
  })
  .refine(({ statistics, calibration }) => (statistics === "recomputed") === (calibration !== undefined), {
    error: "statistics are recomputed on a calibration shard, and it serves nothing else",
    path: ["calibration"],
  })
  .meta({ id: "CreateSoupRequest" });

export const soupState = z.enum(["running", "succeeded", "failed"]);

/** A soup: what was tried, what went in, and the model that it is. */
export const soupDescription = z
  .object({
    id: soupId,
    kind: soupKind,
    state: soupState,
    checkpoints: z.array(checkpointId).describe("Candidates, sorted by id"),
    shards: z.array(shardId),
    statistics: z.enum(["interpolated", "recomputed"]),
    calibration: shardId.optional(),
    recipe: recipeSchema.nullable().describe("Linear, of what went in; null until that is decided"),
    model: modelId.nullable().describe("The recipe's model"),
    accuracy: z.number().nullable().describe("Of the soup on the held-out data"),
    loss: z.number().nullable(),
    trace: z.array(soupDecision),
    progress: z.object({ evaluations: z.int().describe("Models evaluated so far") }),
    problem: problemSchema.nullable().describe("Why it failed"),
    createdAt: z.string(),
    links: z.object({ self: z.string(), fusion: z.string().nullable(), model: z.string().nullable() }),
  })
  .meta({ id: "Soup" });

/** Query of the list of soups. */
export const soupQuery = pageQuery.extend({
  checkpoint: checkpointId.optional().describe("Only soups with this candidate"),
  state: soupState.optional(),
});

export const soupPage = pageOf(soupDescription).meta({ id: "SoupPage" });

export type CreateSoupRequest = z.input<typeof createSoupRequest>;
export type ParsedSoupRequest = z.output<typeof createSoupRequest>;
export type SoupState = z.infer<typeof soupState>;
export type SoupDescription = Omit<z.infer<typeof soupDescription>, "recipe"> & { recipe: Recipe | null };
export type SoupQuery = z.output<typeof soupQuery>;
