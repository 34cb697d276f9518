import type { Visibility } from "../../shared/api/fusions.ts";
import type { ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { insufficientScope } from "../auth/principal.ts";
import { isHeld } from "../catalog/gates.ts";
import type { ServedModel } from "./served-model.ts";

/** What someone who asks for a fusion wants it to be. */
export interface WantedVisibility {
  /** Undefined: public where it is new, and as it is where it is there. */
  readonly visibility: Visibility | undefined;
  /** Whether whoever asks may make a private model public. */
  readonly mayPublish: boolean;
}

export function visibilityOf(model: ServedModel): Visibility {
  return model.kind === "stored" ? model.record.visibility : model.fusion.visibility;
}

/**
 * Makes the model what is wanted, where that is allowed. What was public may lie in anyone's cache, so it stays public.
 * @returns the model as it is now
 * @throws Problem `insufficient-scope` where a private model is wanted public; `gate-required` where a gate holds it;
 *   `visibility-conflict` for the reverse
 */
export async function settleVisibility(
  catalog: D1Database,
  model: ServedModel,
  { visibility: wanted, mayPublish }: WantedVisibility,
): Promise<ServedModel> {
  const actual = visibilityOf(model);
  if (wanted === undefined || wanted === actual) return model;
  const { id } = model.kind === "stored" ? model.record : model.fusion;
  if (wanted === "private") {
    throw new Problem("visibility-conflict", `Model ${id} is public already, and cannot be made private.`, {
      model: id,
      visibility: actual,
    });
  }
  if (!mayPublish) throw insufficientScope(["publish"]);
  if (await isHeld(catalog, id)) throw heldByGate(id);
  await publish(catalog, id);
  return model.kind === "stored"
    ? { kind: "stored", record: { ...model.record, visibility: wanted } }
    : { kind: "computed", fusion: { ...model.fusion, visibility: wanted } };
}

/** To publish what a gate has not let pass, ask for it with a gate that it passes. */
export function heldByGate(id: ModelId): Problem {
  return new Problem("gate-required", `Model ${id} is held by a gate; it becomes public once it passes one.`, {
    model: id,
  });
}

/** In both tables at once: a fusion may become a model meanwhile. */
async function publish(catalog: D1Database, id: ModelId): Promise<void> {
  await catalog.batch(
    ["fusions", "models"].map((table) =>
      catalog.prepare(`UPDATE ${table} SET visibility = 'public' WHERE id = ?`).bind(id),
    ),
  );
}
