import { Problem } from "../problem.ts";
import type { ParameterValue, Recipe } from "./recipe.ts";
import { fitsPattern } from "./tensor-number.ts";

/**
 * Makes sure that each pattern of a recipe fits a tensor: one that fits none is a name misspelt, and what it was meant for
 * would silently get another number.
 * @param tensors names of all tensors
 * @throws Problem `invalid-recipe` with a `pointer` to the pattern
 */
export function requireFittingPatterns({ parameters, inputs }: Recipe, tensors: readonly string[]): void {
  for (const [name, value] of Object.entries(parameters)) check(value, `/parameters/${name}`, tensors);
  for (const [index, input] of inputs.entries()) {
    for (const [name, value] of Object.entries(input)) check(value, `/inputs/${index}/${name}`, tensors);
  }
}

function check(value: ParameterValue | undefined, pointer: string, tensors: readonly string[]): void {
  if (!Array.isArray(value)) return;
  for (const [index, entry] of (value as readonly (number | { readonly pattern: string })[]).entries()) {
    if (typeof entry === "number" || tensors.some((name) => fitsPattern(entry.pattern, name))) continue;
    const place = `${pointer}/${index}/pattern`;
    throw new Problem(
      "invalid-recipe",
      `The pattern ${JSON.stringify(entry.pattern)} at ${place} fits none of the ${tensors.length} tensors.`,
      { pointer: place, pattern: entry.pattern },
    );
  }
}
