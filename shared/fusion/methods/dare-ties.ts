import { deltaMethod } from "../sparsify/delta-method.ts";
import { bernoulli } from "../sparsify/sparsifier.ts";

/**
 * DARE's random thinning, then the election of signs of TIES.
 * @see Yu et al., "Language models are super Mario" (arXiv:2311.03099)
 */
export const dareTies = deltaMethod({
  id: "dare-ties",
  sparsifier: bernoulli,
  elects: true,
  random: true,
  normalize: false,
  rescale: "l1",
});
