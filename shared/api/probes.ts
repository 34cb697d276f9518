import * as z from "zod";
import { datasetName, probeId, shardId } from "../identity.ts";

const endpoint = z.string().regex(/^[0-9a-f]{64}$/, "the id of a checkpoint or of a model");

/** Which two models, on which data, at how many points. */
export const createProbeRequest = z
  .strictObject({
    a: endpoint.describe("Checkpoint or model at alpha 0"),
    b: endpoint.describe("Checkpoint or model at alpha 1"),
    dataset: datasetName.optional().describe("Name of a dataset; its latest version is taken"),
    version: z.int().min(1).optional().describe("Version of the dataset"),
    shards: z.array(shardId).min(1).max(1000).optional().describe("Shards, instead of a dataset"),
    points: z.int().min(2).max(101).default(11).describe("Points on the path, both ends included"),
    batch: z.int().min(1).max(4096).optional().describe("Samples at a time; bounds memory, changes no result"),
  })
  .refine(({ dataset, shards }) => (dataset === undefined) !== (shards === undefined), {
    error: "name either a dataset or shards",
    path: ["dataset"],
  })
  .refine(({ dataset, version }) => version === undefined || dataset !== undefined, {
    error: "a version belongs to a dataset",
    path: ["version"],
  })
  .meta({ id: "CreateProbeRequest" });

export const pathPoint = z.object({ alpha: z.number(), loss: z.number(), accuracy: z.number() });

/** The barrier between two models on one set of samples. Accuracies are fractions, losses nats. */
export const probeDescription = z
  .object({
    id: probeId,
    a: z.string(),
    b: z.string(),
    shards: z.array(shardId).describe("In the order of evaluation"),
    points: z.array(pathPoint),
    samples: z.int(),
    lossBarrier: z.number().describe("Largest loss above the straight line between the ends"),
    lossBarrierAlpha: z.number(),
    accuracyBarrier: z.number().describe("Largest accuracy gap below the straight line, absolute"),
    accuracyBarrierNormalized: z.number().describe("The same gap over the straight line's value there"),
    accuracyBarrierAlpha: z.number(),
    createdAt: z.string(),
  })
  .meta({ id: "Probe" });

/** A probe that is being answered in the background. */
export const pendingProbe = z
  .object({
    id: probeId,
    state: z.literal("running"),
    links: z.object({ self: z.string().describe("Where the answer will be") }),
  })
  .meta({ id: "PendingProbe" });

export type PendingProbe = z.infer<typeof pendingProbe>;
export type CreateProbeRequest = z.input<typeof createProbeRequest>;
export type ProbeQuestion = z.output<typeof createProbeRequest>;
export type ProbeDescription = z.infer<typeof probeDescription>;
