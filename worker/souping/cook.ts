import { type SoupOutcome, soupRecipe } from "../../shared/fusion/soup/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { modelIdOf } from "../../shared/recipe/canonical-recipe.ts";
import { endSoup, recordOutcome, type SoupRecord } from "../catalog/soups.ts";
import type { Environment } from "../environment.ts";
import { requestFusion } from "../fusing/request-fusion.ts";

/**
 * Records what the search came to, which the manifest will tell, and has the model made: a small one at once, a large one
 * by a Workflow of its own.
 * @throws Problem as `requestFusion` does
 */
export async function serveSoup(
  environment: Environment,
  { id, visibility }: Pick<SoupRecord, "id" | "visibility">,
  outcome: SoupOutcome,
  now: () => Date,
): Promise<ModelId> {
  await recordOutcome(environment.CATALOG, id, outcome, now().toISOString());
  const recipe = soupRecipe(id, outcome);
  const model = modelIdOf(recipe);
  // Someone may have asked for this very recipe, and made it what they liked.
  const wanted = visibility === "private" ? visibility : undefined;
  const request = { id: model, recipe, isAsync: false, visibility: wanted, mayPublish: false };
  await requestFusion(environment, { ...request, materialize: "eager" }, now);
  await endSoup(environment.CATALOG, id, { model }, now().toISOString());
  return model;
}
