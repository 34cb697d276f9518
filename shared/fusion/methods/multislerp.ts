import * as z from "zod";
import { allEqual, type GramMatrix, innerProduct } from "../gram.ts";
import { numbersOf } from "../parameters.ts";
import type { Combination, FusionMethod } from "./method.ts";
import { MOST_INPUTS } from "./method.ts";
import { averageErrorAt, averageErrors, shares } from "./weights.ts";

/** What keeps mergekit from dividing by zero, and below which a mean has no direction. */
const EPSILON = 1e-8;

/**
 * Barycentre on the sphere by one step in the tangent space at the mean direction, scaled to the mean norm. With a base,
 * of the differences from it. Where the directions cancel, there is no mean direction: then the weighted average.
 * A tensor's result is a combination of its inputs, so all of it is worked out on coefficients and the Gram matrix.
 */
export const multislerp: FusionMethod = {
  id: "multislerp",
  symmetric: true,
  base: "optional",
  inputs: { least: 2, most: MOST_INPUTS },
  weights: true,
  parameters: { normalizeWeights: z.boolean().default(true) },
  inputParameters: {},
  check: averageErrors,
  checkTensor: averageErrorAt,
  compute: ({ base, parameters }) => ({
    kind: "combination",
    measures: base === undefined ? "inputs" : "deltas",
    combine(tensor, gram): Combination | undefined {
      const weights = numbersOf(tensor.parameters, "weight");
      const used = parameters["normalizeWeights"] === true ? shares(weights) : weights;
      const plain =
        tensor.elements === 0 || (gram !== undefined && allEqual(gram) && parameters["normalizeWeights"] === true);
      if (!plain && gram === undefined) return undefined;
      const found = plain || gram === undefined ? undefined : tangentStep(gram, used);
      const coefficients = found ?? used;
      if (base !== undefined) return overBase(coefficients);
      return { coefficients: plain ? weights : coefficients, affine: plain };
    },
  }),
};

/** Coefficients of differences from a base, as those of the inputs and the base. */
export function overBase(coefficients: readonly number[]): Combination {
  const total = coefficients.reduce((sum, coefficient) => sum + coefficient, 0);
  // The sum of extreme coefficients is no longer 1 to any digit, and must not be divided by.
  const affine = coefficients.every((coefficient) => Math.abs(coefficient) < 1e6);
  // What float64 leaves of 1 - 1 is nothing of the base.
  const rest = Math.abs(1 - total) < 2 ** -52 * (coefficients.length + 1) ? 0 : 1 - total;
  return { coefficients: [...coefficients, rest], affine };
}

function tangentStep(gram: GramMatrix, weights: readonly number[]): number[] | undefined {
  const norms = gram.map((row, i) => Math.sqrt(row[i] ?? 0));
  const units = norms.map((norm) => 1 / (norm + EPSILON));
  const mean = weights.map((weight, i) => weight * (units[i] ?? 0));
  const length = Math.sqrt(Math.max(0, innerProduct(gram, mean, mean)));
  if (length < EPSILON) return undefined;
  const direction = mean.map((coefficient) => coefficient / length);
  // v = Σ ŵ (u - (u·m) m)
  const along = units.map((unit, i) =>
    direction.reduce((sum, coefficient, j) => sum + coefficient * unit * (gram[i]?.[j] ?? 0), 0),
  );
  const total = weights.reduce((sum, weight, i) => sum + weight * (along[i] ?? 0), 0);
  const tangent = mean.map((coefficient, i) => coefficient - total * (direction[i] ?? 0));
  const angle = Math.sqrt(Math.max(0, innerProduct(gram, tangent, tangent))) + EPSILON;
  const scale = weights.reduce((sum, weight, i) => sum + weight * (norms[i] ?? 0), 0);
  return direction.map(
    (coefficient, i) => scale * (coefficient * Math.cos(angle) + ((tangent[i] ?? 0) * Math.sin(angle)) / angle),
  );
}
