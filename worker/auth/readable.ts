import type { ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import type { AppContext } from "../environment.ts";
import { findFused, type ServedModel, servable } from "../fusing/served-model.ts";
import { visibilityOf } from "../fusing/visibility.ts";
import { principalOfLink } from "./links.ts";
import { hasScope } from "./principal.ts";
import { spend } from "./rate-limit.ts";

/**
 * The model of this id, if whoever asks may read it: the one decision for every surface, be it an address by id, an
 * alias, a Hub form or a TF.js form. A private model takes the scope `read` or a signed link.
 *
 * Whom it is not for cannot tell a private model from none: the answers are the same, also to a bad token or link.
 * @param now of the request
 * @throws Problem `model-not-found`, also for one whose making failed; `fusion-cancelled`; where a credential or link was
 *   presented that proves nothing, why it does not
 */
export async function requireReadable(c: AppContext, id: ModelId, now = new Date()): Promise<ServedModel> {
  return servable(id, await requireVisible(c, id, now));
}

/**
 * As {@link requireReadable}, also for a model of which there is nothing to read, since its making failed or was
 * cancelled. For the page that says so.
 */
export async function requireVisible(c: AppContext, id: ModelId, now = new Date()): Promise<ServedModel> {
  const model = await findFused(c.env.CATALOG, id);
  if (model !== undefined && (visibilityOf(model) === "public" || hasScope(c, "read"))) return model;
  if (hasScope(c, "read")) throw notFound(id);
  const link = await principalOfLink(c.env, new URL(c.req.url).searchParams, id, now);
  if (link !== undefined && model !== undefined) {
    await spend(c, link, now);
    c.set("principal", link);
    return model;
  }
  throw c.get("refusal") ?? notFound(id);
}

/** Whether shared caches may keep what is read of the model. */
export function isPublicModel(model: ServedModel): boolean {
  return visibilityOf(model) === "public";
}

function notFound(id: ModelId): Problem {
  return new Problem("model-not-found", `There is no model ${id}.`, { model: id });
}
