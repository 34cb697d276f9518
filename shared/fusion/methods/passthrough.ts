import { tensorNumber } from "../../recipe/tensor-number.ts";
import { numberOf } from "../parameters.ts";
import type { FusionMethod } from "./method.ts";

/** One checkpoint as it is, or scaled: y = scale·x. Converts dtypes, too. */
export const passthrough: FusionMethod = {
  id: "passthrough",
  symmetric: false,
  base: "none",
  inputs: { least: 1, most: 1 },
  weights: false,
  parameters: { scale: tensorNumber().default(1) },
  inputParameters: {},
  compute: () => ({
    kind: "combination",
    combine: ({ parameters }) => ({ coefficients: [numberOf(parameters, "scale")], affine: false }),
  }),
};
