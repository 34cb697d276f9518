import { deltaMethod } from "../sparsify/delta-method.ts";
import { byRank, rankRows } from "../sparsify/sparsifier.ts";

/**
 * DELLA with an election of signs: entries of the differences from the base are dropped at random, the smaller ones of their row
 * more often than the larger ones.
 * @see Deep et al., "DELLA-Merging" (arXiv:2406.11617)
 */
export const della = deltaMethod({
  id: "della",
  sparsifier: byRank,
  elects: true,
  random: true,
  normalize: true,
  rescale: "l1",
  usesEpsilon: true,
  runElements(tensor) {
    const { length, stride } = rankRows(tensor);
    return length * stride;
  },
});
