import { soupRecipe } from "../../shared/fusion/soup/index.ts";
import { Problem } from "../../shared/problem.ts";
import { modelIdOf } from "../../shared/recipe/canonical-recipe.ts";
import { insufficientScope } from "../auth/principal.ts";
import { keepPrivate } from "../catalog/gates.ts";
import { changeVisibility, type SoupRecord } from "../catalog/soups.ts";
import { findFused } from "../fusing/served-model.ts";
import { settleVisibility, type WantedVisibility } from "../fusing/visibility.ts";

/**
 * Makes a soup that is there already what someone wants who asks for it again. Where its model is there, that is settled
 * as of any fusion; before that, private is granted to everyone, and public to those who may publish.
 * @returns the soup as it is now
 * @throws Problem `visibility-conflict` where the model is public, or is being made so, and is wanted private;
 *   `insufficient-scope`, `gate-required` for the reverse
 */
export async function settleSoupVisibility(
  catalog: D1Database,
  soup: SoupRecord,
  { visibility: wanted, mayPublish }: WantedVisibility,
): Promise<SoupRecord> {
  if (wanted === undefined) return soup;
  const { id, outcome, visibility } = soup;
  const model = outcome === null ? undefined : modelIdOf(soupRecipe(id, outcome));
  if (model !== undefined && wanted === "private") await keepPrivate(catalog, model);
  // It is there before the soup has ended.
  const fused = model === undefined ? undefined : await findFused(catalog, model);
  if (fused !== undefined) await settleVisibility(catalog, fused, { visibility: wanted, mayPublish });
  if (wanted === visibility) return soup;
  if (fused === undefined && wanted === "public" && !mayPublish) throw insufficientScope(["publish"]);
  const isInTime = await changeVisibility(catalog, id, wanted);
  if (!isInTime && fused === undefined) {
    throw new Problem("visibility-conflict", `The model of soup ${id} is being made, public, and stays so.`, {
      soup: id,
      visibility,
    });
  }
  return { ...soup, visibility: wanted };
}
