import { deltaMethod } from "../sparsify/delta-method.ts";
import { magnitude } from "../sparsify/sparsifier.ts";

/**
 * TIES: of each difference from the base the largest magnitudes, an election of signs, and the mean of what agrees.
 * `semantics` says whose: mergekit's (for each tensor; signs of weighted sums; divided by weights), PEFT's (signs of plain
 * sums or, with `election: "frequency"`, of counts; divided by counts) or the original's (one threshold for the model).
 * @see Yadav et al., "TIES-Merging" (arXiv:2306.01708)
 */
export const ties = deltaMethod({
  id: "ties",
  sparsifier: magnitude,
  elects: true,
  random: false,
  normalize: true,
  rescale: "none",
  semantics: true,
});
