import * as z from "zod";
import { topologyId } from "../identity.ts";
import { pageOf, pageQuery } from "./paging.ts";

/** The structure of a TF.js model, so that its weights can be evaluated. */
export const topologySummary = z
  .object({
    id: topologyId,
    format: z.enum(["layers-model", "graph-model"]),
    inputShape: z.array(z.int()).describe("Shape of one sample"),
    outputShape: z.array(z.int()).nullable().describe("Of one sample; null for a graph that does not say"),
    parameters: z.int().describe("Numbers in all weights"),
    parts: z.record(z.string(), z.int()).describe("How often each kind of layer, or each operation, occurs"),
    createdAt: z.string().describe("RFC 3339"),
    links: z.object({ self: z.string() }),
  })
  .meta({ id: "TopologySummary" });

/** With the weights that it reads. */
export const topologyDescription = topologySummary
  .extend({
    weights: z.array(
      z.object({
        name: z.string(),
        shape: z.array(z.int()),
        kind: z
          .enum(["float", "integer", "boolean"])
          .describe("Whole numbers and truth values are constants of a graph; models of one topology share them"),
      }),
    ),
  })
  .meta({ id: "Topology" });

export const topologyQuery = pageQuery.extend({
  format: z.enum(["layers-model", "graph-model"]).optional(),
});

export const topologyPage = pageOf(topologySummary).meta({ id: "TopologyPage" });

export type TopologySummary = z.infer<typeof topologySummary>;
export type TopologyDescription = z.infer<typeof topologyDescription>;
export type TopologyQuery = z.output<typeof topologyQuery>;
