import * as z from "zod";
import { numbersOf } from "../parameters.ts";
import { type FusionMethod, MOST_INPUTS } from "./method.ts";
import { averageErrorAt, averageErrors } from "./weights.ts";

/** Weighted average: y = (Σ w·x) / Σ w, or the plain weighted sum where `normalize` is false. */
export const linear: FusionMethod = {
  id: "linear",
  symmetric: true,
  base: "none",
  inputs: { least: 1, most: MOST_INPUTS },
  weights: true,
  parameters: { normalize: z.boolean().default(true) },
  inputParameters: {},
  check: (recipe) => (recipe.parameters["normalize"] === true ? averageErrors(recipe) : []),
  checkTensor: (tensor, { parameters }) => (parameters["normalize"] === true ? averageErrorAt(tensor) : undefined),
  compute: ({ parameters }) => ({
    kind: "combination",
    combine: (tensor) => ({
      coefficients: numbersOf(tensor.parameters, "weight"),
      affine: parameters["normalize"] === true,
    }),
  }),
};
