import * as z from "zod";
import { datasetName, shardId } from "../identity.ts";
import { pageOf } from "./paging.ts";

/** A validation shard. */
export const shardDescription = z
  .object({
    id: shardId,
    bytes: z.int(),
    samples: z.int(),
    inputShape: z.array(z.int()).describe("Shape of one sample"),
    createdAt: z.string(),
  })
  .meta({ id: "Shard" });

export const putDatasetRequest = z
  .strictObject({ shards: z.array(shardId).min(1).max(1000) })
  .meta({ id: "PutDatasetRequest" });

/** One version of a dataset. Versions never change; a new list of shards makes a new one. */
export const datasetDescription = z
  .object({
    name: datasetName,
    version: z.int().min(1),
    shards: z.array(shardId),
    samples: z.int(),
    inputShape: z.array(z.int()),
    createdAt: z.string(),
  })
  .meta({ id: "Dataset" });

export const datasetQuery = z.object({
  version: z.coerce.number().int().min(1).optional().describe("The latest where left out"),
});

export const datasetPage = pageOf(datasetDescription).meta({ id: "DatasetPage" });

export type ShardDescription = z.infer<typeof shardDescription>;
export type DatasetDescription = z.infer<typeof datasetDescription>;
export type PutDatasetRequest = z.input<typeof putDatasetRequest>;
