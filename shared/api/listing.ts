import * as z from "zod";
import { checkpointId, datasetName, modelId, probeId, shardId } from "../identity.ts";
import { METRIC_NAME } from "../models/training-facts.ts";
import { shardDescription } from "./datasets.ts";
import { fusionDescription, fusionState, visibilitySchema } from "./fusions.ts";
import { pageOf, pageQuery } from "./paging.ts";
import { probeKind } from "./probe-answers.ts";

const architecture = z.string().min(1).max(200).optional().describe("Name of the architecture, such as `mlp`");
const family = z
  .string()
  .regex(/^[0-9a-f]{64}$/, "a SHA-256 in lower-case hex (64 digits)")
  .optional()
  .describe("`family` of a checkpoint: those that share its start and its mask");
const dataset = z.string().min(1).max(200).optional().describe("Name of what it was trained on");
const number = z.coerce.number().refine(Number.isFinite, "a finite number");

/** Query of the list of checkpoints. */
export const checkpointQuery = pageQuery
  .extend({
    architecture,
    family,
    dataset,
    metric: z.string().regex(METRIC_NAME, "the name of a metric").optional().describe("Metric that min and max bound"),
    min: number.optional().describe("The least value of `metric`"),
    max: number.optional().describe("The largest value of `metric`"),
    minAccuracy: number.optional().describe("The least `validationAccuracy`, as the trainer measured it"),
  })
  .refine(({ metric, min, max }) => (metric === undefined) === (min === undefined && max === undefined), {
    error: "metric goes with min, max or both",
    path: ["metric"],
  });

/** Query of the list of models. */
export const modelQuery = pageQuery.extend({
  architecture: architecture.describe("Of the checkpoints it was made of"),
  family: family.describe("Of every checkpoint it was made of"),
  dataset: dataset.describe("What a checkpoint was trained on that it was made of"),
  checkpoint: checkpointId.optional().describe("A checkpoint that it was made of"),
  method: z.string().min(1).max(64).optional().describe("Fusion method, such as `linear`"),
  visibility: visibilitySchema.optional(),
  minAccuracy: number.optional().describe("The least accuracy that a probe measured of it"),
  maxLoss: number.optional().describe("The largest loss that a probe measured of it"),
});

/** What the catalog knows of a stored model without opening it. */
export const modelSummary = z
  .object({
    id: modelId,
    method: z.string(),
    inputs: z.array(checkpointId),
    bytes: z.int(),
    sha256: z.string().describe("Of model.safetensors"),
    architecture: z.string().nullable().describe("Of the checkpoints it was made of, where they name one"),
    visibility: visibilitySchema,
    createdAt: z.string(),
    links: z.object({
      fusion: z.string(),
      model: z.string(),
      manifest: z.string(),
      topology: z.string().nullable().describe("model.json; null where TF.js cannot read the model's dtypes"),
    }),
  })
  .meta({ id: "ModelSummary" });

export const modelPage = pageOf(modelSummary).meta({ id: "ModelPage" });

/** Query of the list of fusions. */
export const fusionQuery = pageQuery.extend({
  cursor: z
    .string()
    .regex(/^[fm][0-9]{1,16}$/, "a cursor from an earlier page")
    .optional()
    .describe("`next` of the page before; opaque"),
  state: fusionState.optional(),
});

/** Fusions without a result first, then those that succeeded; each newest first. */
export const fusionPage = pageOf(fusionDescription).meta({ id: "FusionPage" });

/** Query of the list of probes. */
export const probeQuery = pageQuery.extend({
  model: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "the id of a checkpoint or of a model")
    .optional()
    .describe("A checkpoint or model that was evaluated by itself"),
  kind: probeKind.optional(),
  shard: shardId.optional().describe("A shard that was evaluated"),
  maxLossBarrier: number.optional(),
  maxAccuracyBarrier: number.optional(),
});

/** `a` and `b` are the first and the last of `models`: of a path, its ends. */
export const probeSummary = z
  .object({
    id: probeId,
    kind: probeKind,
    models: z.array(z.string()),
    a: z.string(),
    b: z.string(),
    shards: z.int().describe("Number of shards"),
    samples: z.int(),
    accuracy: z
      .object({ a: z.number().nullable(), b: z.number().nullable() })
      .describe("Of the first and the last; null of a regression"),
    loss: z.object({ a: z.number(), b: z.number() }),
    lossBarrier: z.number().nullable().describe("Null of a plane"),
    accuracyBarrier: z.number().nullable().describe("Null of a plane or a regression"),
    createdAt: z.string(),
    links: z.object({ self: z.string(), chart: z.string() }),
  })
  .meta({ id: "ProbeSummary" });

export const probePage = pageOf(probeSummary).meta({ id: "ProbePage" });

/** Query of the list of shards. */
export const shardQuery = pageQuery.extend({
  dataset: datasetName.optional().describe("Only shards of a version of this dataset"),
});

export const shardPage = pageOf(shardDescription).meta({ id: "ShardPage" });

/** What a sweep shall do. */
export const sweepRequest = z
  .strictObject({
    dryRun: z.boolean().default(true).describe("Only say what would be done"),
    minAgeSeconds: z
      .int()
      .min(0)
      .max(31_536_000)
      .default(86_400)
      .describe("Younger objects stay: someone may be about to enter them"),
    cursor: z
      .string()
      .regex(/^[0-9]{1,2}\.[\x21-\x7e]{0,2048}$/, "`next` of the sweep before")
      .optional(),
  })
  .meta({ id: "SweepRequest" });

export const sweepFinding = z
  .object({
    kind: z.enum([
      "expired-upload",
      "unfinished-deletion",
      "orphan-object",
      "row-without-object",
      "probe-without-row",
      "checkpoint-without-facts",
    ]),
    what: z.string().describe("Key of an object, or table and id of a row"),
    bytes: z.int().optional(),
  })
  .meta({ id: "SweepFinding" });

/** What a sweep found and, unless it was a dry run, mended. */
export const sweepReport = z
  .object({
    dryRun: z.boolean(),
    findings: z.array(sweepFinding),
    bytes: z.int().describe("Of the orphans"),
    next: z.string().nullable().describe("Where to go on; null where everything was seen"),
  })
  .meta({ id: "SweepReport" });

/** Something that needs what was to be deleted; in the problem `still-needed`. */
export const neededBy = z.object({
  kind: z.enum(["model", "fusion", "checkpoint", "dataset", "alias", "probe"]),
  id: z.string(),
});

export type CheckpointQuery = z.output<typeof checkpointQuery>;
export type ModelQuery = z.output<typeof modelQuery>;
export type ModelSummary = z.infer<typeof modelSummary>;
export type FusionQuery = z.output<typeof fusionQuery>;
export type ProbeQuery = z.output<typeof probeQuery>;
export type ProbeSummary = z.infer<typeof probeSummary>;
export type ShardQuery = z.output<typeof shardQuery>;
export type SweepRequest = z.input<typeof sweepRequest>;
export type SweepFinding = z.infer<typeof sweepFinding>;
export type SweepReport = z.infer<typeof sweepReport>;
export type NeededBy = z.infer<typeof neededBy>;
