import * as z from "zod";
import { tensorNumber } from "../../recipe/tensor-number.ts";
import { numberOf, numbersOf } from "../parameters.ts";
import { type FusionMethod, MOST_INPUTS } from "./method.ts";
import { overBase } from "./multislerp.ts";
import { NEGLIGIBLE_TOTAL } from "./weights.ts";

/**
 * y = b + λ·Σ w·(x - b), with `normalize` divided by Σ w.
 * @see Ilharco et al., "Editing models with task arithmetic" (arXiv:2212.04089)
 */
export const taskArithmetic: FusionMethod = {
  id: "task-arithmetic",
  symmetric: true,
  base: "required",
  inputs: { least: 1, most: MOST_INPUTS },
  weights: true,
  parameters: { lambda: tensorNumber().default(1), normalize: z.boolean().default(false) },
  inputParameters: {},
  compute: ({ parameters: { normalize } }) => ({
    kind: "combination",
    combine({ parameters }) {
      const weights = numbersOf(parameters, "weight");
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const divisor = normalize === true && Math.abs(total) >= NEGLIGIBLE_TOTAL ? total : 1;
      return overBase(weights.map((weight) => (numberOf(parameters, "lambda") * weight) / divisor));
    },
  }),
};
