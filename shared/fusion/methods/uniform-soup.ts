import { type FusionMethod, MOST_INPUTS } from "./method.ts";

/** Plain mean of all inputs. @see Wortsman et al., "Model soups" (arXiv:2203.05482) */
export const uniformSoup: FusionMethod = {
  id: "uniform-soup",
  symmetric: true,
  base: "none",
  inputs: { least: 1, most: MOST_INPUTS },
  weights: false,
  parameters: {},
  inputParameters: {},
  compute: ({ inputs }) => ({
    kind: "combination",
    combine: () => ({ coefficients: inputs.map(() => 1), affine: true }),
  }),
};
