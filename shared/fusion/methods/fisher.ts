import * as z from "zod";
import { numbersOf } from "../parameters.ts";
import type { FusionPlan } from "../plan.ts";
import { type FusionMethod, MOST_INPUTS, type Reduction } from "./method.ts";
import { averageErrorAt, averageErrors, shares } from "./weights.ts";

/** Added to every entry, and to norms, so that nothing is divided by zero. */
const FLOOR = 1e-6;

/**
 * Average weighed entry by entry with the diagonal of each input's Fisher information, which its `statistics` file holds:
 * y = Σ c·F·x / Σ c·F. With `normalize`, an input's Fisher information counts relative to its norm over the whole model.
 * @see Matena and Raffel, "Merging models with Fisher-weighted averaging" (arXiv:2111.09832)
 */
export const fisher: FusionMethod = {
  id: "fisher",
  symmetric: true,
  base: "none",
  inputs: { least: 1, most: MOST_INPUTS },
  weights: true,
  sidecar: "elements",
  parameters: { normalize: z.boolean().default(true) },
  inputParameters: {},
  check: averageErrors,
  checkTensor: averageErrorAt,
  compute: ({ parameters }) => ({
    kind: "elementwise",
    scope: "model",
    reduce: (_, plan) => (parameters["normalize"] === true ? squaredNorms(plan) : undefined),
    begin(tensor, statistic, { plan }) {
      const weights = shares(numbersOf(tensor.parameters, "weight"));
      const norms = (statistic ?? []) as readonly number[];
      const factors = weights.map((weight, input) =>
        parameters["normalize"] === true ? weight / (Math.sqrt(norms[input] ?? 0) + FLOOR) : weight,
      );
      const { members, sidecars = 0 } = plan;
      return ({ rows, count }, result) => {
        for (let at = 0; at < count; at++) {
          const first = rows[0]?.[at] as number;
          let sum = 0;
          let total = 0;
          let same = true;
          for (let i = 0; i < members; i++) {
            const x = rows[i]?.[at] as number;
            const share = (factors[i] as number) * ((rows[sidecars + i]?.[at] as number) + FLOOR);
            same &&= Object.is(x, first);
            sum += share * x;
            total += share;
          }
          result[at] = same ? first : sum / total;
        }
      };
    },
  }),
};

function* squaredNorms({ members, sidecars = 0 }: FusionPlan): Reduction {
  const sums = Array.from({ length: members }, () => 0);
  yield ({ rows, count }) => {
    for (let input = 0; input < members; input++) {
      const row = rows[sidecars + input];
      let sum = 0;
      for (let at = 0; at < count; at++) {
        const value = row?.[at] as number;
        if (Number.isFinite(value)) sum += value * value;
      }
      sums[input] = (sums[input] ?? 0) + sum;
    }
  };
  return sums;
}
