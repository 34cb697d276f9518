import * as z from "zod";
import { allEqual, type GramMatrix, innerProduct } from "../gram.ts";
import { numbersOf } from "../parameters.ts";
import { type Combination, type FusionMethod, MOST_INPUTS } from "./method.ts";
import { averageErrorAt, averageErrors, shares } from "./weights.ts";

/**
 * Karcher mean: the point on the sphere with the least sum of squared angles to the inputs' directions, found by repeated
 * tangent steps, and scaled to the inputs' mean norm. Inputs without direction count for the norm only. Weights count,
 * unlike in mergekit; equal ones give what mergekit gives.
 * @see Karcher, "Riemannian center of mass and mollifier smoothing" (1977)
 */
export const karcher: FusionMethod = {
  id: "karcher",
  symmetric: true,
  base: "none",
  inputs: { least: 1, most: MOST_INPUTS },
  weights: true,
  parameters: {
    maxIterations: z.int().min(0).max(1000).default(10),
    tolerance: z.number().positive().max(1).default(1e-5),
  },
  inputParameters: {},
  check: averageErrors,
  checkTensor: averageErrorAt,
  compute: ({ parameters }) => ({
    kind: "combination",
    measures: "inputs",
    combine(tensor, gram): Combination | undefined {
      const weights = numbersOf(tensor.parameters, "weight");
      if (tensor.elements === 0 || (gram !== undefined && allEqual(gram))) {
        return { coefficients: weights, affine: true };
      }
      if (gram === undefined) return undefined;
      const { maxIterations, tolerance } = parameters as { maxIterations: number; tolerance: number };
      return { coefficients: meanOf(gram, shares(weights), maxIterations, tolerance), affine: false };
    },
  }),
};

function meanOf(gram: GramMatrix, weights: readonly number[], maxIterations: number, tolerance: number): number[] {
  const norms = gram.map((row, i) => Math.sqrt(row[i] ?? 0));
  const scale = weights.reduce((sum, weight, i) => sum + weight * (norms[i] ?? 0), 0);
  const directed = norms.map((norm) => norm > tolerance);
  const share = weights.reduce((sum, weight, i) => (directed[i] === true ? sum + weight : sum), 0);
  if (share === 0) return weights.map(() => 0);
  const parts = weights.map((weight, i) => (directed[i] === true ? weight / share : 0));
  const units = norms.map((norm, i) => (directed[i] === true ? 1 / norm : 0));
  const lengthOf = (vector: readonly number[]) => Math.sqrt(Math.max(0, innerProduct(gram, vector, vector)));

  const mean = parts.map((part, i) => part * (units[i] ?? 0));
  const meanLength = lengthOf(mean);
  const first = directed.indexOf(true);
  let point =
    meanLength < tolerance
      ? units.map((unit, i) => (i === first ? unit : 0))
      : mean.map((coefficient) => coefficient / meanLength);
  for (let step = 0; step < maxIterations; step++) {
    const tangent = point.map(() => 0);
    for (const [i, unit] of units.entries()) {
      if (unit === 0) continue;
      const cosine = point.reduce((sum, coefficient, j) => sum + coefficient * unit * (gram[i]?.[j] ?? 0), 0);
      const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
      const sine = Math.sin(angle);
      // Towards the antipode every way is the shortest: no step is taken for it.
      if (angle < tolerance || sine < tolerance) continue;
      const factor = ((parts[i] ?? 0) * angle) / sine;
      for (const [j, coefficient] of point.entries()) {
        tangent[j] = (tangent[j] ?? 0) + factor * ((i === j ? unit : 0) - cosine * coefficient);
      }
    }
    const length = lengthOf(tangent);
    if (length < tolerance) break;
    const moved = point.map(
      (coefficient, j) => coefficient * Math.cos(length) + ((tangent[j] ?? 0) * Math.sin(length)) / length,
    );
    const movedLength = lengthOf(moved);
    point = moved.map((coefficient) => coefficient / movedLength);
  }
  return point.map((coefficient) => coefficient * scale);
}
