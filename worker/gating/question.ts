import type { ParsedGateForm } from "../../shared/api/gates.ts";
import { type CheckpointId, digestOfValue, type GateId, type ModelId } from "../../shared/identity.ts";
import type { Recipe } from "../../shared/recipe/recipe.ts";
import { requireDataset } from "../catalog/datasets.ts";
import type { GateQuestion, GateRecord } from "../catalog/gates.ts";
import { findShards } from "../catalog/shards.ts";

/** A gate with every name resolved, and its own name. */
export type ResolvedGate = Pick<GateRecord, "id" | "question">;

/**
 * Looks up what a gate names. A verdict is bound to the model, the version of the data, the limits and the way of
 * evaluating: all of these are in the gate's id.
 * @param recipe of the model, in canonical form
 * @throws Problem `dataset-not-found`, `shard-not-found` for the calibration shard
 */
export async function resolveGate(
  catalog: D1Database,
  { id: model, recipe }: { readonly id: ModelId; readonly recipe: Recipe },
  form: ParsedGateForm,
): Promise<ResolvedGate> {
  const { accuracyBarrier, lossBarrier, accuracyDrop, points, statistics, calibration, as } = form;
  const { name: dataset, version } = await requireDataset(catalog, form.dataset, form.version);
  if (calibration !== undefined) await findShards(catalog, [calibration]);
  const limits = {
    ...(accuracyBarrier === undefined ? {} : { accuracyBarrier }),
    ...(lossBarrier === undefined ? {} : { lossBarrier }),
    ...(accuracyDrop === undefined ? {} : { accuracyDrop }),
  };
  const parents = parentsOf(recipe);
  // Points say nothing where there is no path.
  const asked = { model, dataset, version, limits, points: parents.length === 2 ? points : 0, statistics };
  const id = digestOfValue({ ...asked, calibration, as }) as GateId;
  return {
    id,
    question: {
      ...asked,
      parents,
      ...(calibration === undefined ? {} : { calibration }),
      ...(as === undefined ? {} : { as }),
    },
  };
}

/**
 * What a model was made of, and where it lies between them. Of two that are averaged, their weights say it; of more, and
 * of other methods, the reference is the plain mean. What has one input has its base for the other parent.
 */
export function parentsOf({ method, inputs, base, parameters }: Recipe): GateQuestion["parents"] {
  const weights = new Map<CheckpointId, number>();
  for (const { checkpoint, weight } of inputs) {
    const own = typeof weight === "number" ? weight : Number.NaN;
    weights.set(checkpoint, (weights.get(checkpoint) ?? 0) + own);
  }
  const isOne = weights.size === 1 && base !== undefined;
  const ids = isOne ? [...new Set([base, ...weights.keys()])] : [...weights.keys()];
  const total = ids.reduce((sum, id) => sum + (weights.get(id) ?? Number.NaN), 0);
  const isAverage = method === "linear" && parameters["normalize"] === true && ids.length === 2;
  const shares = ids.map((id) => (isAverage ? (weights.get(id) ?? Number.NaN) / total : 1 / ids.length));
  const lieBetween = shares.every((share) => share >= 0 && share <= 1);
  return ids.map((id, index) => ({ id, share: lieBetween ? (shares[index] ?? 0) : 1 / ids.length }));
}
