import type { ModelId } from "../../shared/identity.ts";
import type { Recipe } from "../../shared/recipe/recipe.ts";
import { findFusion, type FusionRecord, insertFusion } from "../catalog/fusions.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { hasWeightsForm } from "../tfjs-form/layers-model.ts";
import { keepGoing, restart, startAttempt } from "./background.ts";
import { materializeModel } from "./materialize.ts";
import { partBytesOf } from "./part-layout.ts";
import { type PreparedFusion, prepareFusion } from "./prepare.ts";
import { findFused, type ServedModel } from "./served-model.ts";

export interface RequestedFusion {
  readonly fused: ServedModel;
  /** False where it was there before, stored or lazy. */
  readonly isNew: boolean;
}

/**
 * Brings a fusion about: makes the model within the request, or starts a Workflow that does, or only notes that the
 * model may be read. What is there already is not made again; what failed or was cancelled is tried anew.
 * @param recipe from `parseRecipe`
 * @param id of the recipe
 * @throws Problem what planning throws, in every case; what fusing throws, where the request itself fuses. Nothing is
 *   stored then.
 */
export async function requestFusion(
  environment: Environment,
  { id, recipe, materialize }: { id: ModelId; recipe: Recipe; materialize: "eager" | "lazy" },
  now: () => Date,
): Promise<RequestedFusion> {
  const { CATALOG } = environment;
  const known = await findFused(CATALOG, id);
  if (known?.kind === "stored") return { fused: known, isNew: false };
  const pending = known?.fusion;
  if (pending !== undefined) {
    const isUnderWay = pending.state === "queued" || pending.state === "running";
    if (isUnderWay) await keepGoing(environment, pending, now);
    if (isUnderWay || (materialize === "lazy" && pending.state === "lazy")) return current(environment, id);
  }

  const prepared = await prepareFusion(environment, recipe);
  if (materialize === "lazy") {
    const isNew = await insertFusion(CATALOG, pendingRecord(id, prepared, { state: "lazy", attempt: 0 }, now()));
    return { ...(await current(environment, id)), isNew };
  }
  if (prepared.inputBytes <= limitsOf(environment).inlineBytes) {
    const { record, isNew } = await materializeModel(environment, id, prepared, now);
    return { fused: { kind: "stored", record }, isNew };
  }
  if (await insertFusion(CATALOG, pendingRecord(id, prepared, { state: "queued", attempt: 1 }, now()))) {
    await startAttempt(environment, id, 1, now);
  } else {
    const other = await findFusion(CATALOG, id);
    if (other !== undefined && other.state !== "queued" && other.state !== "running") {
      await restart(environment, other, now);
    }
  }
  return current(environment, id);
}

async function current({ CATALOG }: Environment, id: ModelId): Promise<RequestedFusion> {
  const fused = await findFused(CATALOG, id);
  if (fused === undefined) throw new Error(`fusion ${id} was there a moment ago`);
  return { fused, isNew: false };
}

function pendingRecord(
  id: ModelId,
  { plan }: PreparedFusion,
  { state, attempt }: Pick<FusionRecord, "state" | "attempt">,
  at: Date,
): FusionRecord {
  return {
    id,
    recipe: plan.recipe,
    state,
    attempt,
    bytes: plan.layout.fileLength,
    dataOffset: plan.layout.dataOffset,
    hasWeightsForm: hasWeightsForm(plan.layout),
    partBytes: partBytesOf(plan.layout.fileLength),
    uploadId: null,
    problem: null,
    createdAt: at.toISOString(),
    updatedAt: at.toISOString(),
  };
}
