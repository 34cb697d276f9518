import { tensorNumber } from "../../recipe/tensor-number.ts";
import { numberOf } from "../parameters.ts";
import type { FusionPlan, PlannedTensor } from "../plan.ts";
import { baseOf, deltasOf } from "../sparsify/deltas.ts";
import { type Cut, EVERYTHING, isWithin, MagnitudeKeys, NOTHING } from "../sparsify/selection.ts";
import { CutSearches, cutsFromJson, cutsToJson, searchBytes } from "../sparsify/sparsifier.ts";
import { type DoublesBlock, type FusionMethod, type Json, MOST_INPUTS, type Reduction } from "./method.ts";

interface SceStatistic {
  readonly cuts: Json;
  /** Σ δ² of what was selected, by input. */
  readonly energies: readonly number[];
}

/**
 * SCE: select the positions that vary most between the inputs (`selectTopk` of those that vary), calculate each input's
 * share by the energy of its difference from the base there, erase entries against the elected sign, and average the rest.
 * Shares are even where there is no energy at all, and nowhere else: small differences are differences.
 * @see Wan et al., "FuseChat" (arXiv:2408.07990)
 */
export const sce: FusionMethod = {
  id: "sce",
  symmetric: true,
  base: "required",
  inputs: { least: 1, most: MOST_INPUTS },
  weights: false,
  parameters: { selectTopk: tensorNumber({ least: 0, most: 1 }).default(1) },
  inputParameters: {},
  compute: () => ({
    kind: "elementwise",
    tableBytes: () => searchBytes(1),
    reduce: ([tensor], plan) => (tensor === undefined ? undefined : reduceTensor(plan, tensor)),
    begin(_, statistic, { plan }) {
      const { cuts, energies } = statistic as unknown as SceStatistic;
      const cut = cutsFromJson(cuts)[0]?.[0] ?? EVERYTHING;
      const total = energies.reduce((sum, energy) => sum + energy, 0);
      const shares = energies.map((energy) => (total > 0 ? energy / total : 1 / energies.length));
      return (block, result) => combine(block, plan, cut, shares, result);
    },
  }),
};

function* reduceTensor(plan: FusionPlan, tensor: PlannedTensor): Reduction {
  const topk = numberOf(tensor.parameters, "selectTopk");
  let cut: Cut = EVERYTHING;
  if (topk < 1) {
    let varying = 0;
    yield (block) => {
      const spread = spreadOf(deltasOf(block, plan), block.count);
      for (let at = 0; at < block.count; at++) if ((spread[at] as number) > 0) varying++;
    };
    const search = new CutSearches(tensor.elements, [[Math.trunc(varying * topk)]]);
    const [found] = yield* search.run((block) => {
      // The first row makes room for what is searched.
      const spread = spreadOf(deltasOf(block, plan), block.count);
      block.rows[0]?.set(spread);
      const { count, scratch, first } = block;
      return { format: "F64", count, scratch, first, address: block.rows[0]?.byteOffset ?? 0, base: 0 };
    });
    cut = found?.[0] ?? NOTHING;
  }
  const energies = plan.recipe.inputs.map(() => 0);
  yield (block) => {
    const deltas = deltasOf(block, plan);
    const selected = selectedOf(deltas, block, cut);
    for (const [input, delta] of deltas.entries()) {
      let sum = 0;
      for (let at = 0; at < block.count; at++) {
        const value = delta[at] as number;
        if (selected[at] === 1 && Number.isFinite(value)) sum += value * value;
      }
      energies[input] = (energies[input] ?? 0) + sum;
    }
  };
  return { cuts: cutsToJson([[cut]]), energies };
}

function combine(
  block: DoublesBlock,
  plan: FusionPlan,
  cut: Cut,
  shares: readonly number[],
  result: Float64Array,
): void {
  const deltas = deltasOf(block, plan);
  const base = baseOf(block, plan);
  const selected = selectedOf(deltas, block, cut);
  for (let at = 0; at < block.count; at++) {
    const from = base[at] as number;
    let election = 0;
    for (const delta of deltas) election += delta[at] as number;
    // NaN is of neither sign, and has to show.
    let sum = election === election ? 0 : election;
    let share = 0;
    for (const [input, delta] of deltas.entries()) {
      const part = delta[at] as number;
      if (selected[at] === 1 && (election >= 0 ? part > 0 : part < 0)) {
        sum += (shares[input] as number) * part;
        share += shares[input] as number;
      }
    }
    result[at] = sum === 0 || share === 0 ? (sum === sum ? from : sum) : from + sum / share;
  }
}

/** Standard deviation over the inputs: it orders positions as the variance does, and does not underflow. */
function spreadOf(deltas: readonly Float64Array[], count: number): Float64Array<ArrayBuffer> {
  const spread = new Float64Array(count);
  for (let at = 0; at < count; at++) {
    let mean = 0;
    for (const delta of deltas) mean += delta[at] as number;
    mean /= deltas.length;
    let variance = 0;
    for (const delta of deltas) variance += ((delta[at] as number) - mean) ** 2;
    spread[at] = Math.sqrt(variance / deltas.length);
  }
  return spread;
}

const KEYS = new MagnitudeKeys();

function selectedOf(deltas: readonly Float64Array[], { first, count }: DoublesBlock, cut: Cut): Uint8Array {
  const selected = new Uint8Array(count);
  if (cut.key === EVERYTHING.key) return selected.fill(1);
  const keys = KEYS.of(spreadOf(deltas, count));
  for (let at = 0; at < count; at++) selected[at] = isWithin(cut, keys[at] as number, first + at) ? 1 : 0;
  return selected;
}
