import * as z from "zod";
import { datasetName, gateId, modelId, probeId, shardId } from "../identity.ts";
import { evaluationForm } from "./evaluation-form.ts";
import { pageOf, pageQuery } from "./paging.ts";

const accuracyLimit = z.strictObject({ max: z.number().min(-1).max(1) });
const lossLimit = z.strictObject({ max: z.number() });

const limits = {
  accuracyBarrier: accuracyLimit
    .optional()
    .describe("Accuracy that may be missing to the straight line between the parents, as a fraction: 0.02 is 2 points"),
  lossBarrier: lossLimit
    .optional()
    .describe("Loss above the straight line between the parents, in nats; of a regression, as mean squared error"),
  accuracyDrop: accuracyLimit.optional().describe("Accuracy that the model may lack to its best parent, as a fraction"),
} as const;

/** What a model's measures may be at most. */
export const gateLimits = z.object(limits).meta({ id: "GateLimits" });

/** What a model must hold to be published: limits, and the data on which they are measured. */
export const gateForm = z
  .strictObject({
    ...limits,
    dataset: datasetName.describe("Validation data"),
    version: z.int().min(1).optional().describe("Of the dataset; the latest where it is left out"),
    points: z.int().min(2).max(101).default(11).describe("Points on the path between two parents"),
    statistics: z
      .enum(["interpolated", "recomputed"])
      .default("interpolated")
      .describe("Running statistics of batch normalisation: as they are, or recomputed on `calibration`"),
    calibration: shardId.optional().describe("Shard that statistics are recomputed on; goes with `recomputed`"),
    as: evaluationForm.optional().describe("How the weights are to be read, where the files do not say"),
  })
  .check(({ value, issues }) => {
    const refuse = (path: string, message: string) =>
      issues.push({ code: "custom", message, path: [path], input: value });
    if (value.accuracyBarrier === undefined && value.lossBarrier === undefined && value.accuracyDrop === undefined) {
      refuse("accuracyBarrier", "a gate has at least one of accuracyBarrier, lossBarrier and accuracyDrop");
    }
    if ((value.statistics === "recomputed") !== (value.calibration !== undefined)) {
      refuse("calibration", "statistics are recomputed on a calibration shard, and it serves nothing else");
    }
  })
  .meta({ id: "GateForm" });

export const gateState = z.enum(["pending", "passed", "refused"]);

const measure = z.number().nullable();

/** What was measured; accuracies are null of a regression. What a gate's limits bound comes first. */
export const gateMeasures = z
  .object({
    accuracyBarrier: measure.describe("The larger of the path's barrier and the model's own gap below the line"),
    lossBarrier: z.number(),
    accuracyDrop: measure.describe("Best parent minus the model"),
    path: z
      .object({ accuracyBarrier: measure, lossBarrier: z.number() })
      .nullable()
      .describe("Between two parents; null of any other number"),
    model: z
      .object({ accuracy: measure, loss: z.number(), accuracyBarrier: measure, lossBarrier: z.number() })
      .describe("The fused model, and its own gap to the parents' line"),
    parents: z.array(z.object({ id: z.string(), accuracy: measure, loss: z.number() })),
    samples: z.int(),
  })
  .meta({ id: "GateMeasures" });

/** A gate and its verdict: it holds for this model, this version of the data and these limits, and never changes. */
export const gateDescription = z
  .object({
    id: gateId,
    model: modelId,
    state: gateState,
    limits: gateLimits,
    dataset: datasetName,
    version: z.int(),
    statistics: z.enum(["interpolated", "recomputed"]),
    calibration: shardId.optional(),
    probe: probeId.nullable().describe("The probe of the parents: it has the curve, point by point"),
    measured: gateMeasures.nullable().describe("null until it is known, and where the model cannot be evaluated"),
    reasons: z.array(z.string()).describe("Why it was refused: a sentence for each limit that is exceeded"),
    createdAt: z.string(),
    decidedAt: z.string().nullable(),
    links: z.object({ self: z.string(), fusion: z.string(), probe: z.string().nullable() }),
  })
  .meta({ id: "Gate" });

/** Query of the list of gates. */
export const gateQuery = pageQuery.extend({
  model: modelId.optional().describe("Only verdicts on this model"),
  state: gateState.optional(),
});

export const gatePage = pageOf(gateDescription).meta({ id: "GatePage" });

export type GateLimits = z.infer<typeof gateLimits>;
export type GateForm = z.input<typeof gateForm>;
export type ParsedGateForm = z.output<typeof gateForm>;
export type GateState = z.infer<typeof gateState>;
export type GateMeasures = z.infer<typeof gateMeasures>;
export type GateDescription = z.infer<typeof gateDescription>;
export type GateQuery = z.output<typeof gateQuery>;
