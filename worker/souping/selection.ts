import type { SoupSelection } from "../../shared/api/soup-trace.ts";
import { soupRecipe } from "../../shared/fusion/soup/index.ts";
import { Problem } from "../../shared/problem.ts";
import { modelIdOf } from "../../shared/recipe/canonical-recipe.ts";
import type { Recipe } from "../../shared/recipe/recipe.ts";
import { requireSoup } from "../catalog/soups.ts";

/**
 * How a recipe's inputs were chosen, for its manifest. Nobody may say of a recipe that a soup chose it that did not.
 * @returns undefined where the recipe names no soup
 * @throws Problem `soup-not-found`, `invalid-recipe` where the soup chose otherwise
 */
export async function selectionOf(catalog: D1Database, recipe: Recipe): Promise<SoupSelection | undefined> {
  if (recipe.selection === undefined) return undefined;
  const { soup } = recipe.selection;
  const { outcome } = await requireSoup(catalog, soup);
  if (outcome === null || modelIdOf(soupRecipe(soup, outcome)) !== modelIdOf(recipe)) {
    throw new Problem("invalid-recipe", `/selection: the soup ${soup} did not come to this recipe.`, {
      pointer: "/selection/soup",
    });
  }
  const { kind, measure, trace } = outcome;
  return { soup, kind, accuracy: measure.accuracy, loss: measure.loss, trace: [...trace] };
}
