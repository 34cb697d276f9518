import { numbersOf } from "../parameters.ts";
import type { PlannedTensor } from "../plan.ts";
import type { Recipe } from "../../recipe/recipe.ts";

/**
 * What is wrong with an average's weights. Only those that are one number for all tensors can be judged by the recipe
 * alone; {@link averageErrorAt} judges the others.
 */
export function averageErrors({ inputs }: Recipe): { pointer: string; message: string }[] {
  const numbers = inputs.map(({ weight }) => (typeof weight === "number" ? weight : undefined));
  for (const [index, weight] of numbers.entries()) {
    if (weight !== undefined && weight < 0) {
      const message = `A negative weight (${weight}): an average takes weights from 0.`;
      return [{ pointer: `/inputs/${index}/weight`, message }];
    }
  }
  if (numbers.includes(undefined)) return [];
  const problem = totalError(numbers.map((weight) => weight ?? 0));
  return problem === undefined ? [] : [{ pointer: "/inputs", message: problem }];
}

/** The same for the weights that hold for one tensor. */
export function averageErrorAt({ parameters }: PlannedTensor): string | undefined {
  const weights = numbersOf(parameters, "weight");
  const negative = weights.find((weight) => weight < 0);
  if (negative !== undefined) return `a weight is negative (${negative}); an average takes weights from 0.`;
  return totalError(weights);
}

function totalError(weights: readonly number[]): string | undefined {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total === 0) return "The weights add up to zero, so there is nothing to average.";
  return Number.isFinite(total) ? undefined : "The weights add up to infinity.";
}

/** Weights divided by their sum. */
export function shares(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** Below this a sum of weights counts as zero, and nothing is divided by it. */
export const NEGLIGIBLE_TOTAL = 1e-8;
