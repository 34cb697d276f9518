import { deltaMethod } from "../sparsify/delta-method.ts";
import { bernoulli } from "../sparsify/sparsifier.ts";

/**
 * DARE: entries of the differences from the base are dropped at random, and the rest grows to make up for it: by the ratio
 * of L1 norms (`rescale: "l1"`, as mergekit), or by 1 / density as in the paper.
 * @see Yu et al., "Language models are super Mario" (arXiv:2311.03099)
 */
export const dareLinear = deltaMethod({
  id: "dare-linear",
  sparsifier: bernoulli,
  elects: false,
  random: true,
  normalize: false,
  rescale: "l1",
});
