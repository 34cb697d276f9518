import * as z from "zod";
import { datasetName, shardId } from "../identity.ts";
import { evaluationForm } from "./evaluation-form.ts";

const endpoint = z.string().regex(/^[0-9a-f]{64}$/, "the id of a checkpoint or of a model");

/** How batch normalisation is treated: statistics mixed like weights, or taken anew from samples. */
export const statisticsMode = z.enum(["interpolated", "recomputed"]);

/** On what to evaluate, and how; the same for every kind of probe. */
const common = {
  dataset: datasetName.optional().describe("Name of a dataset; its latest version is taken"),
  version: z.int().min(1).optional().describe("Version of the dataset"),
  shards: z.array(shardId).min(1).max(1000).optional().describe("Shards, instead of a dataset"),
  statistics: statisticsMode
    .default("interpolated")
    .describe("Running statistics of batch normalisation: mixed like weights, or recomputed on `calibration`"),
  calibration: shardId.optional().describe("Shard that statistics are recomputed on; goes with `recomputed`"),
  as: evaluationForm.optional().describe("How the weights are to be read, where the files do not say"),
  batch: z.int().min(1).max(4096).optional().describe("Samples at a time at most; bounds memory, changes no result"),
} as const;

interface Common {
  readonly dataset?: string | undefined;
  readonly version?: number | undefined;
  readonly shards?: readonly string[] | undefined;
  readonly statistics: "interpolated" | "recomputed";
  readonly calibration?: string | undefined;
}

/** What no schema of a member can say. */
function checkCommon({ value, issues }: z.core.ParsePayload<Common>): void {
  const refuse = (path: string, message: string) =>
    issues.push({ code: "custom", message, path: [path], input: value });
  if ((value.dataset === undefined) === (value.shards === undefined)) {
    refuse("dataset", "name either a dataset or shards");
  }
  if (value.version !== undefined && value.dataset === undefined) refuse("version", "a version belongs to a dataset");
  if ((value.statistics === "recomputed") !== (value.calibration !== undefined)) {
    refuse("calibration", "statistics are recomputed on a calibration shard, and it serves nothing else");
  }
}

const alphas = z
  .array(z.number().min(0).max(1))
  .min(2)
  .max(101)
  .refine((values) => values[0] === 0 && values.at(-1) === 1, "the first alpha is 0, the last is 1")
  .refine((values) => values.every((value, at) => at === 0 || value > (values[at - 1] ?? 1)), "alphas ascend");

/** Between two models: on the straight line from a to b. */
export const pathQuestion = z
  .strictObject({
    kind: z.literal("path").default("path"),
    a: endpoint.describe("Checkpoint or model at alpha 0"),
    b: endpoint.describe("Checkpoint or model at alpha 1"),
    points: z.int().min(2).max(101).default(11).describe("Points on the path, both ends included, equally spaced"),
    alphas: alphas.optional().describe("The points themselves, instead of their number"),
    ...common,
  })
  .check(checkCommon)
  .meta({ id: "PathProbeRequest" });

/** Among K models: their mean and, if wanted, each pair of them. */
export const meanQuestion = z
  .strictObject({
    kind: z.literal("mean"),
    models: z.array(endpoint).min(2).max(16).describe("Checkpoints or models"),
    pairwise: z.boolean().default(false).describe("Also the barrier between each two of them"),
    pairPoints: z.int().min(1).max(9).default(1).describe("Inner points between two; 1 is the midpoint"),
    ...common,
  })
  .check(checkCommon)
  .meta({ id: "MeanProbeRequest" });

/** On the plane through three models. */
export const planeQuestion = z
  .strictObject({
    kind: z.literal("plane"),
    models: z.array(endpoint).length(3).describe("Checkpoints or models: the origin, and where u = 1 and v = 1 are"),
    resolution: z.int().min(2).max(41).default(11).describe("Points along each of the two directions"),
    margin: z
      .number()
      .min(0)
      .max(2)
      .default(0.25)
      .describe("How far the grid goes beyond the models: u, v from -margin"),
    ...common,
  })
  .check(checkCommon)
  .meta({ id: "PlaneProbeRequest" });

/** Which models, on which data, at which points. `kind` may be left out of a path. */
export const createProbeRequest = z.discriminatedUnion("kind", [pathQuestion, meanQuestion, planeQuestion]).meta({
  id: "CreateProbeRequest",
  // Generators would pass over the kind that may be left out.
  discriminator: {
    propertyName: "kind",
    mapping: {
      path: "#/components/schemas/PathProbeRequest",
      mean: "#/components/schemas/MeanProbeRequest",
      plane: "#/components/schemas/PlaneProbeRequest",
    },
  },
});

export type CreateProbeRequest = z.input<typeof createProbeRequest>;
export type ProbeQuestion = z.output<typeof createProbeRequest>;
export type StatisticsMode = z.output<typeof statisticsMode>;

export {
  type MeanProbe,
  type PathProbe,
  type PendingProbe,
  type PlaneProbe,
  type ProbeDescription,
  type ProbeKind,
  meanProbe,
  membersOf,
  pathProbe,
  pendingProbe,
  planeProbe,
  probeDescription,
  probeKind,
} from "./probe-answers.ts";
