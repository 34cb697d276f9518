import * as z from "zod";
import { digestOfValue, type ModelId } from "../identity.ts";
import { Problem } from "../problem.ts";
import { type Recipe, recipeSchema } from "./schema.ts";

/**
 * Checks a recipe and brings it into canonical form: defaults filled in, inputs of a symmetric method sorted by
 * digest, then weight. Whoever lists the same inputs in another order asks for the same model and gets the same bytes,
 * because sums run in this order too.
 * @throws Problem `invalid-recipe`, `unknown-method`
 */
export function parseRecipe(value: unknown): Recipe {
  const parsed = recipeSchema.safeParse(value);
  if (!parsed.success) {
    const method = value !== null && typeof value === "object" && "method" in value ? value.method : undefined;
    const [issue] = parsed.error.issues;
    if (typeof method === "string" && issue?.path[0] === "method") {
      throw new Problem("unknown-method", `There is no method ${JSON.stringify(method)}; known: linear.`, { method });
    }
    throw new Problem("invalid-recipe", z.prettifyError(parsed.error).replaceAll("\n", " "), {
      errors: parsed.error.issues.map(({ path, message }) => ({ pointer: `/${path.join("/")}`, message })),
    });
  }
  const recipe = parsed.data;
  checkWeights(recipe);
  return { ...recipe, inputs: recipe.inputs.toSorted(compareInputs) };
}

function compareInputs(a: Recipe["inputs"][number], b: Recipe["inputs"][number]): number {
  if (a.checkpoint !== b.checkpoint) return a.checkpoint < b.checkpoint ? -1 : 1;
  return a.weight - b.weight;
}

function checkWeights({ inputs, parameters }: Recipe): void {
  for (const [index, { weight }] of inputs.entries()) {
    const where = { pointer: `/inputs/${index}/weight`, weight };
    if (!Number.isFinite(weight)) throw new Problem("invalid-recipe", `Weight ${index} is not finite.`, where);
    if (weight < 0 && parameters.normalize) {
      throw new Problem(
        "invalid-recipe",
        `Weight ${index} is negative (${weight}); an average takes weights from 0.`,
        where,
      );
    }
  }
  if (parameters.normalize) {
    const total = inputs.reduce((sum, { weight }) => sum + weight, 0);
    if (total === 0) throw new Problem("invalid-recipe", "The weights add up to zero, so there is nothing to average.");
    if (!Number.isFinite(total)) throw new Problem("invalid-recipe", "The weights add up to infinity.");
  }
}

/** The id of the model a recipe makes: SHA-256 of the recipe's canonical JSON. The recipe must come from {@link parseRecipe}. */
export function modelIdOf(recipe: Recipe): ModelId {
  return digestOfValue(recipe) as ModelId;
}
