import type { FusionMethod } from "./method.ts";

/** Weighted average: y = (Σ w·x) / Σ w, or the plain weighted sum where `normalize` is false. */
export const linear: FusionMethod = {
  id: "linear",
  symmetric: true,
  // The weights are finite, and infinity times 0 is NaN.
  propagatesNonFinite: true,
  prepare({ inputs, parameters }, kernels, addresses) {
    const table = kernels.prepareWeights(
      addresses,
      inputs.map(({ weight }) => weight),
      parameters.normalize,
    );
    return {
      combine: ({ inputDtype, outputDtype, output, count }) =>
        kernels.average(table, inputDtype, outputDtype, output, count),
      free: () => table.free(),
    };
  },
};
