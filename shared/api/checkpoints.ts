import * as z from "zod";
import { alignmentSchema } from "../alignment/metadata.ts";
import { checkpointId, topologyId } from "../identity.ts";
import { architectureSchema } from "../models/architecture.ts";
import { pageOf } from "./paging.ts";

/** Media types under which a safetensors file may be uploaded. */
export const SAFETENSORS_MEDIA_TYPES = [
  "application/octet-stream",
  "application/vnd.safetensors",
  "application/x-safetensors",
] as const;

/** Registers an object that was uploaded through S3. */
export const registerRequest = z
  .strictObject({
    key: z.string().min(1).max(1024).describe("`checkpoints/<sha256>.safetensors`, or anything below `incoming/`"),
  })
  .meta({ id: "RegisterRequest" });

export type RegisterRequest = z.infer<typeof registerRequest>;

/** Registers a sharded checkpoint: an index as Hugging Face writes it, and the registered file behind each name. */
export const compositeCheckpoint = z
  .strictObject({
    index: z.looseObject({ weight_map: z.record(z.string(), z.string()) }).describe("`model.safetensors.index.json`"),
    shards: z.record(z.string(), checkpointId).describe("Checkpoint of each file that the index names"),
  })
  .meta({ id: "CompositeCheckpoint" });

export type CompositeCheckpoint = z.infer<typeof compositeCheckpoint>;

/** What the catalog knows of a checkpoint without opening it. */
export const checkpointSummary = z
  .object({
    id: checkpointId,
    name: z.string().nullable().describe("What the file was called where it came from"),
    bytes: z.int(),
    tensors: z.int().describe("Number of tensors"),
    elements: z.int().describe("Number of elements of all tensors"),
    dtypes: z.array(z.string()),
    architecture: z.string().nullable().describe("Name of the architecture, such as `mlp`"),
    topology: topologyId
      .nullable()
      .describe("Topology that its metadata name: what it is, where it is no architecture of ours"),
    alignment: alignmentSchema.nullable().describe("The mask it declares to be trained under"),
    family: z
      .string()
      .nullable()
      .describe("SHA-256 over the start and the mask: equal for checkpoints that share their frozen entries"),
    dataset: z.string().nullable().describe("Name of what it was trained on, where its metadata say so"),
    metrics: z
      .record(z.string(), z.number())
      .describe("Numbers that the trainer measured, such as `validationAccuracy`"),
    createdAt: z.string().describe("RFC 3339"),
  })
  .meta({ id: "CheckpointSummary" });

export const tensorDescription = z.object({
  name: z.string(),
  dtype: z.string(),
  shape: z.array(z.int()),
});

/** A checkpoint with its header. */
export const checkpointDescription = checkpointSummary
  .omit({ architecture: true })
  .extend({
    architecture: architectureSchema.nullable().describe("What it is, where its metadata say so"),
    metadata: z.record(z.string(), z.string()).describe("`__metadata__` of the file, as it is"),
    header: z.array(tensorDescription).describe("Tensors in the order of their bytes"),
  })
  .meta({ id: "Checkpoint" });

export const checkpointPage = pageOf(checkpointSummary).meta({ id: "CheckpointPage" });

export type CheckpointSummary = z.infer<typeof checkpointSummary>;
export type CheckpointDescription = z.infer<typeof checkpointDescription>;
