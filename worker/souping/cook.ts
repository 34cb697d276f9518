import { type SoupOutcome, soupRecipe } from "../../shared/fusion/soup/index.ts";
import type { SoupId } from "../../shared/identity.ts";
import { modelIdOf } from "../../shared/recipe/canonical-recipe.ts";
import { finishSoup, recordOutcome, requireSoup, type SoupRecord } from "../catalog/soups.ts";
import type { Environment } from "../environment.ts";
import { type RequestedFusion, requestFusion } from "../fusing/request-fusion.ts";
import { findFused } from "../fusing/served-model.ts";

/**
 * Records what the search came to, which the manifest will tell, and has the model made: a small one at once, a large one
 * by a Workflow of its own.
 * @throws Problem as `requestFusion` does
 */
export async function serveSoup(
  environment: Environment,
  id: SoupId,
  outcome: SoupOutcome,
  now: () => Date,
): Promise<void> {
  await recordOutcome(environment.CATALOG, id, outcome, now().toISOString());
  // As it is now: while the search went on, someone may have asked for it to be private.
  const soup = await requireSoup(environment.CATALOG, id);
  const model = modelIdOf(soupRecipe(id, outcome));
  await fuse(environment, soup, { outcome, isAsync: false, isPrivate: soup.visibility === "private" }, now);
  await finishSoup(environment.CATALOG, id, model, now().toISOString());
}

/**
 * Has the model of a soup that succeeded made again where it was deleted since, or its making failed. What the search came
 * to is known, so nothing is evaluated.
 * @returns whether it is made anew
 * @throws Problem as `requestFusion` does
 */
export async function serveAgain(
  environment: Environment,
  soup: SoupRecord,
  isAsync: boolean,
  now: () => Date,
): Promise<boolean> {
  const { id, outcome, visibility } = soup;
  if (outcome === null) throw new Error(`soup ${id} succeeded, and came to nothing`);
  const isGone = (await findFused(environment.CATALOG, modelIdOf(soupRecipe(id, outcome)))) === undefined;
  // What is there may have been published since.
  const isPrivate = isGone && visibility === "private";
  return (await fuse(environment, soup, { outcome, isAsync, isPrivate }, now)).isNew;
}

/** Someone may have asked for this very recipe, and made it what they liked: public is nothing to insist on. */
function fuse(
  environment: Environment,
  { id }: Pick<SoupRecord, "id">,
  { outcome, isAsync, isPrivate }: { outcome: SoupOutcome; isAsync: boolean; isPrivate: boolean },
  now: () => Date,
): Promise<RequestedFusion> {
  const recipe = soupRecipe(id, outcome);
  const visibility = isPrivate ? "private" : undefined;
  const request = {
    id: modelIdOf(recipe),
    recipe,
    materialize: "eager",
    isAsync,
    visibility,
    mayPublish: false,
  } as const;
  return requestFusion(environment, request, now);
}
