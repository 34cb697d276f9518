import type { AliasName } from "../../../shared/api/aliases.ts";
import type { GateDescription } from "../../../shared/api/gates.ts";
import type { ModelManifest } from "../../../shared/api/manifest.ts";
import type { PathProbe } from "../../../shared/api/probes.ts";
import type { CheckpointId, DatasetName, GateId, ModelId, ProbeId, ShardId, SoupId } from "../../../shared/identity.ts";
import type { Recipe } from "../../../shared/recipe/recipe.ts";
import type { ModelFacts } from "../../../worker/pages/model-facts.ts";

/** 64 hex digits that begin with these. */
export const idOf = (digits: string) => digits.padEnd(64, "5c1e90ab3d7f2468");

const MODEL = idOf("90be11d4c0ffee") as ModelId;
const CHECKPOINTS = ["a3f2c81b", "07d4e5aa"].map((digits) => idOf(digits) as CheckpointId);
const PROBE = idOf("77aa") as ProbeId;
const MADE = "2026-11-23T17:03:27.000Z";

export const sampleRecipe: Recipe = {
  method: "linear",
  inputs: CHECKPOINTS.map((checkpoint) => ({ checkpoint, weight: 1 })),
  parameters: { normalize: true },
  dtype: "input",
  nonFloat: "error",
  allowNonFinite: false,
  requireAlignment: false,
};

export function sampleManifest(more: Partial<ModelManifest> = {}): ModelManifest {
  return {
    version: 1,
    id: MODEL,
    recipe: sampleRecipe as ModelManifest["recipe"],
    inputs: CHECKPOINTS.map((checkpoint, index) => ({
      checkpoint,
      role: "input" as const,
      name: `glyphs-mlp-6x128-frozen-0.4-seed-${index + 1}.safetensors`,
      bytes: 735_216,
      weight: 1,
      coefficient: 0.5,
    })),
    coefficients: null,
    sha256: idOf("e3b0"),
    parts: { bytes: 735_216, sha256: [idOf("e3b0")] },
    bytes: 735_216,
    tensors: 14,
    elements: 183_690,
    nonFinite: [],
    overflows: 0,
    alignment: { declared: true, verified: true, frozenElements: 73_512, mismatches: 0, first: null },
    engine: { name: "edgefuse", version: "0.5.0" },
    createdAt: MADE,
    milliseconds: 84,
    path: "inline",
    ...more,
  };
}

/** A path whose accuracy sags by `depth`. */
export function sampleProbe(depth: number): PathProbe {
  const points = Array.from({ length: 11 }, (_, index) => {
    const sag = 4 * (index / 10) * (1 - index / 10);
    return { alpha: index / 10, loss: 0.16 + 6 * depth * sag, accuracy: 0.961 - 0.0004 * index - depth * sag };
  });
  return {
    kind: "path",
    id: PROBE,
    shards: [idOf("5a") as ShardId],
    samples: 2000,
    task: "classification",
    statistics: "interpolated",
    createdAt: MADE,
    a: CHECKPOINTS[0] ?? "",
    b: CHECKPOINTS[1] ?? "",
    points,
    lossBarrier: 6 * depth,
    lossBarrierAlpha: 0.5,
    accuracyBarrier: depth,
    accuracyBarrierNormalized: depth / 0.959,
    accuracyBarrierAlpha: 0.5,
    accuracyGap: { difference: depth, low: depth - 0.004, high: depth + 0.004 },
  };
}

/** A gate of at most 2 points, whose verdict follows from the depth. */
export function sampleGate(depth: number, state?: "pending"): GateDescription {
  const decided = depth <= 0.02 ? "passed" : "refused";
  const measures = { accuracyBarrier: depth, lossBarrier: 6 * depth };
  return {
    id: idOf("9a7e") as GateId,
    model: MODEL,
    state: state ?? decided,
    limits: { accuracyBarrier: { max: 0.02 }, lossBarrier: { max: 0.1 } },
    dataset: "glyphs" as DatasetName,
    version: 1,
    statistics: "interpolated",
    probe: PROBE,
    measured:
      state === "pending"
        ? null
        : {
            ...measures,
            accuracyDrop: depth,
            path: measures,
            model: { accuracy: 0.959 - depth, loss: 0.16 + 6 * depth, ...measures },
            parents: CHECKPOINTS.map((id, index) => ({ id, accuracy: 0.961 - 0.004 * index, loss: 0.16 })),
            samples: 2000,
          },
    reasons:
      decided === "refused" && state === undefined
        ? [
            `The accuracy barrier is ${depth}; the gate admits at most 0.02.`,
            `The loss barrier is ${6 * depth}; the gate admits at most 0.1.`,
          ]
        : [],
    createdAt: MADE,
    decidedAt: state === "pending" ? null : MADE,
    links: { self: `/v1/gates/${idOf("9a7e")}`, fusion: `/v1/fusions/${MODEL}`, probe: `/v1/probes/${PROBE}` },
  };
}

export const sampleSelection: NonNullable<ModelManifest["selection"]> = {
  soup: idOf("50") as SoupId,
  kind: "greedy",
  accuracy: 0.9665,
  loss: 0.1432,
  trace: [
    {
      candidate: CHECKPOINTS[0] ?? ("" as CheckpointId),
      members: CHECKPOINTS.slice(0, 1),
      weights: [1],
      accuracy: 0.961,
      loss: 0.1601,
      alone: { accuracy: 0.961, loss: 0.1601 },
      decision: "accepted",
      why: "It is the best candidate by itself.",
    },
    {
      candidate: CHECKPOINTS[1] ?? ("" as CheckpointId),
      members: CHECKPOINTS,
      weights: [0.5, 0.5],
      accuracy: 0.9665,
      loss: 0.1432,
      alone: { accuracy: 0.957, loss: 0.17 },
      decision: "accepted",
      why: "The mean with it is more accurate: 96.7 % after 96.1 %.",
    },
    {
      candidate: idOf("bad0") as CheckpointId,
      members: [...CHECKPOINTS, idOf("bad0") as CheckpointId],
      weights: [],
      accuracy: null,
      loss: null,
      alone: null,
      decision: "rejected",
      why: "It cannot be evaluated: tensor hidden-1/kernel holds values that are not finite.",
    },
  ],
};

/** Facts of a stored, public model that was probed. */
export function sampleFacts(more: Partial<ModelFacts["description"]> = {}, rest: Partial<ModelFacts> = {}): ModelFacts {
  const description: ModelFacts["description"] = {
    id: MODEL,
    state: "succeeded",
    recipe: sampleRecipe,
    bytes: 735_216,
    sha256: idOf("e3b0"),
    progress: { bytesDone: 735_216, bytes: 735_216, partsDone: 1, parts: 1 },
    problem: null,
    visibility: "public",
    gate: null,
    createdAt: MADE,
    alias: "team/digits" as AliasName,
    manifest: sampleManifest(),
    probe: sampleProbe(0.003),
    files: ["config.json", "manifest.json", "model.safetensors", "model.json", "weights.bin"],
    ...more,
    links: {
      self: `/v1/fusions/${MODEL}`,
      events: `/v1/fusions/${MODEL}/events`,
      plan: `/v1/fusions/${MODEL}/plan`,
      model: `/models/${MODEL}/model.safetensors`,
      manifest: `/models/${MODEL}/manifest.json`,
      topology: `/models/${MODEL}/model.json`,
      page: "/models/@team/digits",
      barrier: `/models/${MODEL}/barrier.svg`,
      badge: `/models/${MODEL}/badge.svg`,
      ...more.links,
    },
  };
  return {
    description,
    architecture: {
      architecture: "mlp",
      input: [28, 28, 1],
      hidden: [128, 128, 128, 128, 128, 128],
      classes: 10,
    } as ModelFacts["architecture"],
    size: { tensors: 14, parameters: 183_690 },
    ...rest,
  };
}
