import type { ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { findFusion, type FusionRecord } from "../catalog/fusions.ts";
import { findModel, type ModelRecord } from "../catalog/models.ts";

/** A model that can be read: stored, or computed while it is read. */
export type ServedModel =
  | { readonly kind: "stored"; readonly record: ModelRecord }
  | { readonly kind: "computed"; readonly fusion: FusionRecord };

/** What the catalog knows of a fusion, whatever its state. */
export async function findFused(catalog: D1Database, id: ModelId): Promise<ServedModel | undefined> {
  // In this order: a fusion leaves its table in the very transaction in which its model is entered.
  const fusion = await findFusion(catalog, id);
  const record = await findModel(catalog, id);
  if (record !== undefined) return { kind: "stored", record };
  return fusion === undefined ? undefined : { kind: "computed", fusion };
}

/**
 * The model, if there is something to read of it. Whether it may be read says `requireReadable`, which routes call.
 * @throws Problem `model-not-found` for one whose making failed; `fusion-cancelled`
 */
export function servable(id: ModelId, served: ServedModel): ServedModel {
  if (served.kind === "stored") return served;
  const { state } = served.fusion;
  switch (state) {
    case "lazy":
    case "queued":
    case "running":
      return served;
    case "failed":
      throw new Problem("model-not-found", `The fusion of model ${id} failed.`, { model: id, state });
    case "cancelled":
      throw new Problem("fusion-cancelled", `The fusion of model ${id} was cancelled; ask for it anew.`, {
        model: id,
        state,
      });
    default:
      return state satisfies never;
  }
}
