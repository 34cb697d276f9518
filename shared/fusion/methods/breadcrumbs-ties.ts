import { deltaMethod } from "../sparsify/delta-method.ts";
import { withoutOutliers } from "../sparsify/sparsifier.ts";

/**
 * Breadcrumbs: the largest and the smallest entries of the differences from the base are dropped; the rest is put together as TIES does.
 * @see Davari and Belilovsky, "Model Breadcrumbs" (arXiv:2312.06795)
 */
export const breadcrumbsTies = deltaMethod({
  id: "breadcrumbs-ties",
  sparsifier: withoutOutliers,
  elects: true,
  random: false,
  normalize: false,
  rescale: "none",
  usesGamma: true,
});
