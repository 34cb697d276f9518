import type { Reduction } from "../methods/method.ts";
import type { FusionPlan, PlannedTensor } from "../plan.ts";
import { deltaRow, deltasOf } from "./deltas.ts";
import { thin } from "./merge-deltas.ts";
import { CutSearches } from "./sparsifier.ts";

/** What the original TIES knows of the whole model. */
export interface GlobalThresholds {
  /** Smallest key that survives, by input. */
  readonly keys: readonly number[];
  /** 1 or -1: the sign that most elections come to. */
  readonly majority: number;
}

/**
 * The original's threshold is the (n - trunc(n·K))-th smallest magnitude of the whole model and itself survives, so
 * trunc(n·K) + 1 entries do. A density of 1 keeps all.
 * @see Yadav et al., "TIES-Merging" (arXiv:2306.01708)
 */
export function* globalThresholds(plan: FusionPlan, tensors: readonly PlannedTensor[]): Reduction {
  const elements = tensors.reduce((sum, tensor) => sum + tensor.elements, 0);
  const ranks = plan.recipe.inputs.map(({ density }) => {
    const own = density ?? plan.recipe.parameters["density"];
    return [Math.min(elements, Math.trunc(elements * (typeof own === "number" ? own : 1)) + 1)];
  });
  const begins = new Map<PlannedTensor, number>();
  let begin = 0;
  for (const tensor of tensors) {
    begins.set(tensor, begin);
    begin += tensor.elements;
  }
  const cuts = yield* new CutSearches(elements, ranks).run((block, input) => ({
    ...deltaRow(block, plan, input),
    first: (begins.get(block.tensor) ?? 0) + block.first,
  }));
  const keys = cuts.map(([cut]) => cut?.key ?? 0);
  let positive = 0;
  let negative = 0;
  yield (block) => {
    const deltas = deltasOf(block, plan);
    for (const [input, delta] of deltas.entries()) thin(delta, keys[input] ?? 0, block.count);
    for (let at = 0; at < block.count; at++) {
      let election = 0;
      for (const delta of deltas) election += delta[at] as number;
      if (election > 0) positive++;
      else if (election < 0) negative++;
    }
  };
  return { keys, majority: negative > positive ? -1 : 1 };
}
