import * as z from "zod";
import { probeId, shardId } from "../identity.ts";
import { evaluationForm } from "./evaluation-form.ts";

/**
 * What probes answer. Accuracies are fractions and losses nats; of a regression (`task`), losses are mean squared errors
 * and everything about accuracy is null.
 */

export const probeKind = z.enum(["path", "mean", "plane"]);

const nullable = z.number().nullable();

/** A difference of two accuracies with its 95 % confidence interval. */
const difference = z.object({ difference: z.number(), low: z.number(), high: z.number() });

const measures = {
  loss: z.number(),
  accuracy: nullable,
  classes: z.array(nullable).optional().describe("Accuracy of each class; null where no sample has it"),
} as const;

/** One model, evaluated. */
export const measuredPoint = z.object(measures).meta({ id: "MeasuredPoint" });

/** One point of a path. */
export const pathPoint = z
  .object({
    alpha: z.number(),
    ...measures,
    accuracyGap: difference.nullable().optional().describe("Accuracy below the straight line"),
  })
  .meta({ id: "PathPoint" });

const about = {
  id: probeId,
  shards: z.array(shardId).describe("In the order of evaluation"),
  samples: z.int().describe("Labels that were evaluated; of sequences, one a position"),
  task: z.enum(["classification", "regression"]).default("classification"),
  classCounts: z.array(z.int()).optional().describe("Samples of each class"),
  statistics: z.enum(["interpolated", "recomputed"]).default("interpolated"),
  calibration: shardId.optional(),
  as: evaluationForm.optional(),
  createdAt: z.string(),
} as const;

const barrier = {
  lossBarrier: z.number().describe("Largest loss above the straight line between the ends"),
  lossBarrierAlpha: z.number(),
  accuracyBarrier: nullable.describe("Largest accuracy gap below the straight line, absolute"),
  accuracyBarrierNormalized: nullable.describe("The same gap over the straight line's value there"),
  accuracyBarrierAlpha: nullable,
} as const;

/** The same numbers as other work defines them. */
const variants = z
  .object({
    maxOverPath: z
      .object({ loss: z.number(), accuracy: nullable })
      .describe("Worst of the path against the worse of the ends"),
    midpoint: z.object({ loss: z.number(), accuracy: nullable }).describe("At alpha 1/2 against the straight line"),
    endMean: z.object({ loss: z.number(), accuracy: nullable }).describe("Worst of the path against the ends' mean"),
  })
  .partial()
  .meta({ id: "BarrierVariants" });

/** The barrier between two models on one set of samples. */
export const pathProbe = z
  .object({
    kind: z.literal("path"),
    ...about,
    a: z.string(),
    b: z.string(),
    points: z.array(pathPoint),
    ...barrier,
    accuracyGap: difference
      .nullable()
      .optional()
      .describe("The largest gap between the ends with its interval; negative where the path is better everywhere"),
    variants: variants.optional(),
  })
  .meta({ id: "PathProbe" });

const memberBarrier = {
  lossBarrier: z.number().describe("Loss of the mean above the mean of the losses; negative where the mean is better"),
  accuracyBarrier: nullable.describe("Mean of the accuracies above the accuracy of the mean"),
  accuracyBarrierNormalized: nullable,
  accuracyGap: difference.nullable(),
} as const;

/** The barrier around the mean of several models, and between each two. */
export const meanProbe = z
  .object({
    kind: z.literal("mean"),
    ...about,
    models: z.array(z.string()),
    members: z.array(measuredPoint).describe("In the order of `models`"),
    mean: measuredPoint,
    ...memberBarrier,
    pairs: z
      .array(
        z.object({
          a: z.int().describe("Index into `models`"),
          b: z.int().describe("Index into `models`, the larger"),
          points: z.array(pathPoint),
          ...barrier,
          accuracyGap: difference.nullable(),
        }),
      )
      .optional()
      .describe("Where `pairwise` was asked for"),
  })
  .meta({ id: "MeanProbe" });

/** Loss and accuracy on the plane w = a + u (b - a) + v (c - a). */
export const planeProbe = z
  .object({
    kind: z.literal("plane"),
    ...about,
    models: z.array(z.string()).describe("a, b and c"),
    members: z.array(measuredPoint),
    u: z.array(z.number()).describe("Columns of the grid"),
    v: z.array(z.number()).describe("Rows of the grid"),
    loss: z.array(z.array(z.number())).describe("By row (v), then column (u)"),
    accuracy: z.array(z.array(z.number())).nullable(),
    positions: z
      .array(z.object({ x: z.number(), y: z.number() }))
      .describe("Of a, b and c in the plane as it is, in Euclidean distance of weights: a picture's axes"),
  })
  .meta({ id: "PlaneProbe" });

/** An answered probe. */
export const probeDescription = z.discriminatedUnion("kind", [pathProbe, meanProbe, planeProbe]).meta({ id: "Probe" });

/** A probe that is being answered in the background. */
export const pendingProbe = z
  .object({
    id: probeId,
    state: z.literal("running"),
    progress: z.object({ shardsDone: z.int(), shards: z.int() }).describe("How much of the data was evaluated"),
    partial: probeDescription.nullable().describe("The answer over the shards that are done; null before the first"),
    links: z.object({ self: z.string().describe("Where the answer will be") }),
  })
  .meta({ id: "PendingProbe" });

export type PathProbe = z.infer<typeof pathProbe>;
export type MeanProbe = z.infer<typeof meanProbe>;
export type PlaneProbe = z.infer<typeof planeProbe>;
export type ProbeDescription = z.infer<typeof probeDescription>;
export type PendingProbe = z.infer<typeof pendingProbe>;
export type MeasuredPoint = z.infer<typeof measuredPoint>;
export type ProbeKind = z.infer<typeof probeKind>;

/** The models that a probe evaluated by themselves, in the question's order. */
export function membersOf(probe: ProbeDescription): readonly (MeasuredPoint & { readonly id: string })[] {
  if (probe.kind === "path") {
    const ends: readonly [string, MeasuredPoint | undefined][] = [
      [probe.a, probe.points.at(0)],
      [probe.b, probe.points.at(-1)],
    ];
    return ends.flatMap(([id, point]) => (point === undefined ? [] : [{ ...point, id }]));
  }
  return probe.members.map((member, index) => ({ ...member, id: probe.models[index] ?? "" }));
}
