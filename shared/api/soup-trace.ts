import * as z from "zod";
import { checkpointId, soupId } from "../identity.ts";

const measures = { accuracy: z.number().nullable(), loss: z.number().nullable() } as const;

/** One decision on the way to a soup: what was tried, how good it was, and what came of it. */
export const soupDecision = z
  .object({
    candidate: checkpointId.describe("The checkpoint that is decided on"),
    members: z.array(checkpointId).describe("What was mixed for the trial, the candidate among them"),
    weights: z.array(z.number()).describe("Share of each member; they sum to 1"),
    accuracy: measures.accuracy.describe("Of the trial; null where it could not be evaluated"),
    loss: measures.loss,
    alone: z.object(measures).nullable().describe("The candidate by itself; null where it could not be evaluated"),
    decision: z.enum(["accepted", "rejected"]),
    why: z.string(),
  })
  .meta({ id: "SoupDecision" });

/** What a manifest says of the search that chose a model's inputs. */
export const soupSelection = z
  .object({
    soup: soupId,
    kind: z.enum(["uniform", "greedy", "learned"]),
    accuracy: z.number().nullable().describe("Of the soup on the held-out data; null of a regression"),
    loss: z.number(),
    trace: z.array(soupDecision),
  })
  .meta({ id: "SoupSelection" });

export type SoupDecision = z.infer<typeof soupDecision>;
export type SoupSelection = z.infer<typeof soupSelection>;
