import { deltaMethod } from "../sparsify/delta-method.ts";
import { withoutOutliers } from "../sparsify/sparsifier.ts";

/**
 * Breadcrumbs: the largest and the smallest entries of the differences from the base are dropped; the rest is added up.
 * @see Davari and Belilovsky, "Model Breadcrumbs" (arXiv:2312.06795)
 */
export const breadcrumbs = deltaMethod({
  id: "breadcrumbs",
  sparsifier: withoutOutliers,
  elects: false,
  random: false,
  normalize: false,
  rescale: "none",
  usesGamma: true,
});
