import type { ModelId } from "../../shared/identity.ts";
import { isPublicModel, requireReadable } from "../auth/readable.ts";
import type { AppContext } from "../environment.ts";
import type { ServedModel } from "../fusing/served-model.ts";

/** How long a public model is taken to be there without asking the catalog. */
const KNOWN_MS = 60_000;
const MOST_KNOWN = 256;

/**
 * Public, stored models that this isolate served lately. Only these: a public model stays public, and a stored one never
 * changes. So all that can go wrong is that one is read for a minute after another isolate deleted it.
 */
const known = new Map<ModelId, { readonly served: ServedModel; readonly until: number }>();

/**
 * The model of this id, if whoever asks may read it, without the catalog where it was read lately. For reads; what writes
 * asks `requireReadable`.
 * @throws Problem as `requireReadable` does
 */
export async function readableModel(c: AppContext, id: ModelId, now: Date): Promise<ServedModel> {
  const found = known.get(id);
  if (found !== undefined && found.until > now.getTime()) return found.served;
  known.delete(id);
  const served = await requireReadable(c, id, now);
  if (served.kind === "stored" && isPublicModel(served)) {
    for (const oldest of known.keys()) {
      if (known.size < MOST_KNOWN) break;
      known.delete(oldest);
    }
    known.set(id, { served, until: now.getTime() + KNOWN_MS });
  }
  return served;
}

/** To be called when a model is deleted. */
export function forgetModel(id: ModelId): void {
  known.delete(id);
}
