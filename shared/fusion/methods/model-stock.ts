import * as z from "zod";
import { allEqual, type GramMatrix } from "../gram.ts";
import { type FusionMethod, MOST_INPUTS } from "./method.ts";
import { overBase } from "./multislerp.ts";
import { combineVectors, rowElements } from "./rows.ts";

/**
 * y = t·mean(x) + (1 - t)·b with t = N·c / (1 + (N - 1)·c), c being the mean cosine between the differences from the
 * base, for each tensor or, `filterWise`, for each row of its first axis.
 *
 * Differences that point away from each other make t negative, or infinite: then t is 0 and the base stays, unless
 * `extrapolate` asks for the formula to the letter, as mergekit has it (it keeps t finite all the same).
 * @see Jang et al., "Model stock" (arXiv:2403.19522)
 */
export const modelStock: FusionMethod = {
  id: "model-stock",
  symmetric: true,
  base: "required",
  inputs: { least: 2, most: MOST_INPUTS },
  weights: false,
  parameters: { filterWise: z.boolean().default(false), extrapolate: z.boolean().default(false) },
  inputParameters: {},
  compute({ parameters, inputs }) {
    const coefficients = (gram: GramMatrix) => {
      const t = ratioOf(gram, parameters["extrapolate"] === true);
      return gram.map(() => t / gram.length);
    };
    if (parameters["filterWise"] === true) {
      return {
        kind: "elementwise",
        runElements: ({ shape }) => rowElements(shape),
        begin: ({ shape }, _, { plan }) =>
          combineVectors(plan, { length: rowElements(shape), stride: 1 }, "deltas", coefficients),
      };
    }
    return {
      kind: "combination",
      measures: "deltas",
      combine({ elements }, gram) {
        if (elements === 0) return overBase(inputs.map(() => 0));
        return gram === undefined ? undefined : overBase(coefficients(gram));
      },
    };
  },
};

function ratioOf(gram: GramMatrix, extrapolate: boolean): number {
  const count = gram.length;
  let sum = 0;
  let pairs = 0;
  for (const [i, row] of gram.entries()) {
    for (let j = 0; j < i; j++) {
      const norms = Math.sqrt(row[i] ?? 0) * Math.sqrt(gram[j]?.[j] ?? 0);
      sum += norms > 0 ? Math.min(1, Math.max(-1, (row[j] ?? 0) / norms)) : 0;
      pairs++;
    }
  }
  const cosine = allEqual(gram) && (gram[0]?.[0] ?? 0) > 0 ? 1 : sum / pairs;
  const divisor = 1 + (count - 1) * cosine;
  // Cosines of vectors are at least -1 / (N - 1) on average; only rounding, and exact opposites, get here.
  if (divisor < 1e-8) return 0;
  const t = (count * cosine) / divisor;
  return extrapolate ? t : Math.min(1, Math.max(0, t));
}
