import { aliasName, type AliasName } from "../../shared/api/aliases.ts";
import type { ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { findAlias } from "../catalog/aliases.ts";
import type { AppContext } from "../environment.ts";
import type { ServedModel } from "../fusing/served-model.ts";
import { readableModel } from "./readable-model.ts";

/**
 * The model that an alias points at, if whoever asks may read it. An alias of a model that is not for them is to them no
 * alias, whatever credential or link they try.
 * @throws Problem `model-not-found`, or why a credential that was presented proves nothing
 */
export async function readableAlias(
  c: AppContext,
  name: string,
  now: Date,
): Promise<{ id: ModelId; alias: AliasName; served: ServedModel }> {
  const parsed = aliasName.safeParse(name);
  const alias = parsed.success ? await findAlias(c.env.CATALOG, parsed.data) : undefined;
  if (alias === undefined) throw c.get("refusal") ?? noSuchAlias(name);
  return { id: alias.model, alias: alias.name, served: await readableByName(c, alias.model, name, now) };
}

/** As {@link readableAlias}, for one of the models that the alias pointed at. */
export async function readableByName(c: AppContext, model: ModelId, name: string, now: Date): Promise<ServedModel> {
  try {
    return await readableModel(c, model, now);
  } catch (error) {
    const isHidden = error instanceof Problem && ["model-not-found", "invalid-link"].includes(error.code);
    throw isHidden ? (c.get("refusal") ?? noSuchAlias(name)) : error;
  }
}

export function noSuchAlias(name: string): Problem {
  return new Problem("model-not-found", `There is no model @${name}.`, { alias: name });
}
