import * as z from "zod";
import { tensorNumber } from "../../recipe/tensor-number.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import {
  type DoublesBlock,
  type ElementRule,
  type ElementwiseCompute,
  type FusionMethod,
  type Json,
  MOST_INPUTS,
  type Reduction,
} from "../methods/method.ts";
import { numberOf, numbersOf, seedOf } from "../parameters.ts";
import type { FusionPlan, PlannedTensor } from "../plan.ts";
import { baseOf, deltaRow, deltasOf } from "./deltas.ts";
import { drawWords } from "./draw-words.ts";
import { globalThresholds, type GlobalThresholds } from "./original-ties.ts";
import { type MergeSettings, mergeOriginal, mergePeft, mergeWeighted } from "./merge-deltas.ts";
import { thinnedRows } from "./thinned-rows.ts";
import type { Cut } from "./selection.ts";
import { cutsFromJson, CutSearches, cutsToJson, searchBytes, type Sparsifier, type Thinning } from "./sparsifier.ts";

/** What tells the methods of this family apart. */
export interface DeltaTraits {
  readonly id: string;
  readonly sparsifier: Sparsifier;
  /** Whether signs are elected, position by position, and entries of the other sign dropped. */
  readonly elects: boolean;
  /** Whether masks are random, so that there is a seed. */
  readonly random: boolean;
  readonly normalize: boolean;
  readonly rescale: "none" | "l1" | "density";
  readonly usesGamma?: boolean;
  readonly usesEpsilon?: boolean;
  /** Whether `semantics` may be `peft` or `original`. */
  readonly semantics?: boolean;
  /** Elements that must come together. */
  runElements?(tensor: Pick<PlannedTensor, "shape">): number;
}

const share = { least: 0, most: 1 } as const;

/**
 * The methods that thin out differences from a base before they add them up: thin each (x - b), weigh, elect signs or
 * not, add, divide or not, multiply by λ, add to b. Where nothing survives, the base stays bit for bit.
 */
export function deltaMethod(traits: DeltaTraits): FusionMethod {
  const inputParameters = {
    density: tensorNumber(share),
    ...(traits.usesGamma === true ? { gamma: tensorNumber(share) } : {}),
    ...(traits.usesEpsilon === true ? { epsilon: tensorNumber(share) } : {}),
  };
  return {
    id: traits.id,
    symmetric: true,
    base: "required",
    inputs: { least: 1, most: MOST_INPUTS },
    weights: true,
    parameters: {
      density: tensorNumber(share).default(1),
      ...(traits.usesGamma === true ? { gamma: tensorNumber(share).default(0.01) } : {}),
      ...(traits.usesEpsilon === true ? { epsilon: tensorNumber(share).default(0.15) } : {}),
      lambda: tensorNumber().default(1),
      normalize: z.boolean().default(traits.normalize),
      rescale: z.enum(["none", "l1", "density"]).default(traits.rescale),
      ...(traits.random ? { seed: z.int().min(0).default(0) } : {}),
      ...(traits.semantics === true
        ? {
            semantics: z.enum(["mergekit", "peft", "original"]).default("mergekit"),
            election: z.enum(["total", "frequency"]).default("total"),
          }
        : {}),
    },
    inputParameters,
    check: checkDeltas,
    checkTensor: traits.usesEpsilon === true ? checkSpread : undefined,
    compute: (recipe) => computeDeltas(traits, recipe),
  } as FusionMethod;
}

function checkDeltas({ parameters, inputs }: Recipe): { pointer: string; message: string }[] {
  const { semantics = "mergekit", election, normalize } = parameters;
  if (election === "frequency" && semantics !== "peft") {
    return [{ pointer: "/parameters/election", message: 'Only semantics "peft" elects by frequency.' }];
  }
  if (semantics === "original") {
    const weighed = inputs.findIndex(({ weight }) => weight !== 1);
    if (weighed >= 0) {
      return [{ pointer: `/inputs/${weighed}/weight`, message: 'Semantics "original" does not weigh its inputs.' }];
    }
    if (parameters["rescale"] !== "none") {
      return [{ pointer: "/parameters/rescale", message: 'Semantics "original" does not rescale.' }];
    }
    const own = inputs.findIndex(({ density }) => density !== undefined && typeof density !== "number");
    if (own >= 0 || typeof parameters["density"] !== "number") {
      const pointer = own >= 0 ? `/inputs/${own}/density` : "/parameters/density";
      return [{ pointer, message: 'Semantics "original" thins the whole model by one number.' }];
    }
  }
  if (semantics !== "mergekit" && normalize === false) {
    return [
      { pointer: "/parameters/normalize", message: `Semantics ${JSON.stringify(semantics)} always divides by counts.` },
    ];
  }
  return [];
}

/** Probabilities of DELLA have to be probabilities. */
function checkSpread({ parameters }: PlannedTensor): string | undefined {
  const densities = numbersOf(parameters, "density");
  const spreads = numbersOf(parameters, "epsilon");
  const wrong = densities.findIndex((density, input) => {
    const epsilon = spreads[input] ?? 0;
    return density > 0 && density < 1 && (density - epsilon <= 0 || density + epsilon >= 1);
  });
  if (wrong < 0) return undefined;
  return `density ± epsilon (${densities[wrong]} ± ${spreads[wrong]}) has to lie between 0 and 1.`;
}

/** What is found out about a tensor: cuts, and by how much the survivors have to grow. */
interface DeltaStatistic {
  readonly cuts: Json;
  readonly factors: readonly number[];
}

function computeDeltas(traits: DeltaTraits, { parameters }: Recipe): ElementwiseCompute {
  if (parameters["semantics"] === "original") return originalTies;
  const rescale = parameters["rescale"];
  return {
    kind: "elementwise",
    runElements: (tensor) => traits.runElements?.(tensor) ?? 1,
    tableBytes: (plan) => searchBytes(plan.members),
    reduce([tensor], plan) {
      if (tensor === undefined) return undefined;
      const thinnings = thinningsOf(plan, tensor);
      if (thinnings.every(({ density }) => density >= 1) && traits.usesGamma !== true) return undefined;
      const ranks = thinnings.map((thinning) => traits.sparsifier.ranks(tensor.elements, thinning));
      if (rescale !== "l1" && ranks.every((own) => own.length === 0)) return undefined;
      return reduceDeltas(traits, plan, tensor, thinnings, ranks, rescale === "l1");
    },
    begin(tensor, statistic, { plan }): ElementRule {
      const thinnings = thinningsOf(plan, tensor);
      const { cuts, factors } = (statistic ?? { cuts: [], factors: [] }) as unknown as DeltaStatistic;
      const weights = numbersOf(tensor.parameters, "weight");
      const scaled = weights.map((weight, input) => {
        const density = thinnings[input]?.density ?? 1;
        if (rescale === "density") return density > 0 ? weight / density : 0;
        return weight * (factors[input] ?? 1);
      });
      const settings: MergeSettings = {
        weights,
        scaled,
        lambda: numberOf(tensor.parameters, "lambda"),
        normalize: parameters["normalize"] === true,
        frequency: parameters["election"] === "frequency",
        elects: traits.elects,
      };
      const known = cutsFromJson(cuts);
      if (parameters["semantics"] === "peft") return ruleOf(traits, plan, thinnings, known, mergePeft(settings));
      const { merge, rounded } = mergeWeighted(settings);
      const partsOf = (block: DoublesBlock) => thinnedRows(traits.sparsifier, block, plan, thinnings, known);
      const rule: ElementRule = (block) => merge(block, partsOf(block));
      if (traits.elects && traits.sparsifier.bounds !== undefined) {
        rule.rounded = (block, dtype, address) => dtype === "F32" && rounded(block, partsOf(block), address);
      }
      return rule;
    },
  };
}

type Merge = (
  deltas: readonly Float64Array[],
  keep: readonly Uint8Array[],
  base: Float64Array,
  count: number,
  result: Float64Array,
) => void;

function ruleOf(
  traits: DeltaTraits,
  plan: FusionPlan,
  thinnings: readonly Thinning[],
  cuts: readonly (readonly Cut[])[],
  merge: Merge,
): ElementRule {
  const keep = thinnings.map(() => new Uint8Array(0));
  return (block, result) => {
    const deltas = deltasOf(block, plan);
    for (const [input, thinning] of thinnings.entries()) {
      if ((keep[input]?.length ?? 0) < block.count) keep[input] = new Uint8Array(block.count);
      traits.sparsifier.select(
        deltas[input] as Float64Array<ArrayBuffer>,
        block,
        thinning,
        cuts[input] ?? [],
        keep[input] as Uint8Array,
      );
    }
    merge(deltas, keep, baseOf(block, plan), block.count, result);
  };
}

function* reduceDeltas(
  traits: DeltaTraits,
  plan: FusionPlan,
  tensor: PlannedTensor,
  thinnings: readonly Thinning[],
  ranks: readonly (readonly number[])[],
  needsNorms: boolean,
): Reduction {
  const cuts = yield* new CutSearches(tensor.elements, ranks).run((block, input) => deltaRow(block, plan, input));
  const all = thinnings.map(() => 0);
  const kept = thinnings.map(() => 0);
  if (needsNorms) {
    yield (block) => {
      for (const { begin, end, rows, base } of thinnedRows(traits.sparsifier, block, plan, thinnings, cuts)) {
        for (const [input, row] of rows.entries()) {
          const part = { format: block.format, scratch: block.scratch, count: end - begin };
          const [whole, rest] = block.kernels.magnitudeSums(part, { ...row, factor: 1, weight: 1 }, base);
          all[input] = (all[input] ?? 0) + whole;
          kept[input] = (kept[input] ?? 0) + rest;
        }
      }
    };
  }
  const factors = all.map((whole, input) => {
    const rest = kept[input] ?? 0;
    return whole > 0 && rest > 0 && rest !== whole ? whole / rest : 1;
  });
  return { cuts: cutsToJson(cuts), factors };
}

/** TIES as first published: one threshold for the whole model, and its majority sign where an election is a draw. */
const originalTies: ElementwiseCompute = {
  kind: "elementwise",
  scope: "model",
  tableBytes: (plan) => searchBytes(plan.members),
  reduce: (tensors, plan) => globalThresholds(plan, tensors),
  begin(tensor, statistic, { plan }): ElementRule {
    const { keys, majority } = statistic as unknown as GlobalThresholds;
    const merge = mergeOriginal(keys, majority, numberOf(tensor.parameters, "lambda"));
    return (block, result) => merge(deltasOf(block, plan), baseOf(block, plan), block.count, result);
  },
};

function thinningsOf(plan: FusionPlan, { name, parameters }: PlannedTensor): Thinning[] {
  const seed = seedOf(plan.recipe);
  return parameters.inputs.map((own, input) => ({
    density: own["density"] ?? 1,
    gamma: own["gamma"] ?? 0,
    epsilon: own["epsilon"] ?? 0,
    words: drawWords(seed, name, plan.inputs[input]?.id ?? plan.recipe.inputs[0]!.checkpoint),
  }));
}
