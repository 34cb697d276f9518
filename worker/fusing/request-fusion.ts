import type { Visibility } from "../../shared/api/fusions.ts";
import type { ModelId } from "../../shared/identity.ts";
import { canonicalJson } from "../../shared/recipe/canonical-json.ts";
import type { Recipe } from "../../shared/recipe/recipe.ts";
import { isHeld, keepPrivate } from "../catalog/gates.ts";
import { findFusion, type FusionRecord, insertFusion, renewLazy } from "../catalog/fusions.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { hasWeightsForm } from "../tfjs-form/layers-model.ts";
import { keepGoing, restart, startAttempt } from "./background.ts";
import { materializeModel } from "./materialize.ts";
import { partBytesOf } from "./part-layout.ts";
import { type PreparedFusion, prepareFusion } from "./prepare.ts";
import { discardModel } from "./publish.ts";
import { findFused, type ServedModel } from "./served-model.ts";
import { heldByGate, settleVisibility, visibilityOf, type WantedVisibility } from "./visibility.ts";

export interface FusionRequest extends WantedVisibility {
  readonly id: ModelId;
  readonly recipe: Recipe;
  readonly materialize: "eager" | "lazy";
  /** Leaves the work to a Workflow, however small it is. */
  readonly isAsync: boolean;
  /** Private until a gate lets it pass; nobody asked for it to stay so. */
  readonly isForNow?: boolean;
}

export interface RequestedFusion {
  readonly fused: ServedModel;
  /** False where it was there before, stored or lazy. */
  readonly isNew: boolean;
}

/**
 * Brings a fusion about, and makes it as visible as is wanted: makes the model within the request, or starts a Workflow that does, or only notes that the
 * model may be read. What is there already is not made again; what failed or was cancelled is tried anew.
 * @param recipe from `parseRecipe`
 * @param id of the recipe
 * @throws Problem what planning throws, in every case; what fusing throws, where the request itself fuses. Nothing is
 *   stored then. What {@link settleVisibility} throws.
 */
export async function requestFusion(
  environment: Environment,
  request: FusionRequest,
  now: () => Date,
): Promise<RequestedFusion> {
  const { CATALOG } = environment;
  if (request.visibility === "private" && request.isForNow !== true) await keepPrivate(CATALOG, request.id);
  const found = await findFused(CATALOG, request.id);
  const known = found === undefined ? undefined : await settleVisibility(CATALOG, found, request);
  const visibility = known === undefined ? await firstVisibility(CATALOG, request) : visibilityOf(known);
  const { fused, isNew } = await bringAbout(environment, { ...request, visibility }, known, now);
  // Someone else may have been first, and wanted it otherwise.
  return { fused: await settleVisibility(CATALOG, fused, request), isNew };
}

/** A model that a gate holds stays held, should it be deleted and made anew. */
async function firstVisibility(catalog: D1Database, { id, visibility }: FusionRequest): Promise<Visibility> {
  if (visibility === "private" || !(await isHeld(catalog, id))) return visibility ?? "public";
  if (visibility === "public") throw heldByGate(id);
  return "private";
}

async function bringAbout(
  environment: Environment,
  { id, recipe, materialize, isAsync, visibility }: FusionRequest & { readonly visibility: Visibility },
  known: ServedModel | undefined,
  now: () => Date,
): Promise<RequestedFusion> {
  const { CATALOG } = environment;
  if (known?.kind === "stored") return { fused: known, isNew: false };
  const pending = known?.fusion;
  if (pending !== undefined) {
    const isUnderWay = pending.state === "queued" || pending.state === "running";
    if (isUnderWay) await keepGoing(environment, pending, now);
    if (isUnderWay) return current(environment, id);
  }

  const prepared = await prepareFusion(environment, recipe);
  if (pending !== undefined && !isOver(pending, prepared)) await discardModel(environment, id);
  if (materialize === "lazy") {
    const record = pendingRecord(id, prepared, { state: "lazy", visibility }, now());
    const isNew = await insertFusion(CATALOG, record);
    if (!isNew && (pending?.state !== "lazy" || !isOver(pending, prepared))) await renewLazy(CATALOG, record);
    return { ...(await current(environment, id)), isNew };
  }
  if (!isAsync && prepared.inputBytes <= limitsOf(environment).inlineBytes) {
    const { isNew } = await materializeModel(environment, id, prepared, visibility, now);
    return { ...(await current(environment, id)), isNew };
  }
  const queued = pendingRecord(id, prepared, { state: "queued", visibility }, now());
  if (await insertFusion(CATALOG, queued)) {
    await startAttempt(environment, id, queued.attempt, now);
  } else {
    const other = await findFusion(CATALOG, id);
    if (other !== undefined && other.state !== "queued" && other.state !== "running") {
      await restart(environment, other, prepared, now);
    }
  }
  return current(environment, id);
}

async function current({ CATALOG }: Environment, id: ModelId): Promise<RequestedFusion> {
  const fused = await findFused(CATALOG, id);
  if (fused === undefined) throw new Error(`fusion ${id} was there a moment ago`);
  return { fused, isNew: false };
}

/** Whether a fusion was planned over the versions that are there now; statistics of others must not be used. */
function isOver({ etags }: FusionRecord, prepared: PreparedFusion): boolean {
  return canonicalJson(etags) === canonicalJson(prepared.etags);
}

function pendingRecord(
  id: ModelId,
  { plan, etags }: PreparedFusion,
  start: Pick<FusionRecord, "state" | "visibility">,
  at: Date,
): FusionRecord {
  return {
    id,
    recipe: plan.recipe,
    ...start,
    // Counted from here, so that an instance from before the model was deleted is not taken for the current one.
    attempt: at.getTime(),
    bytes: plan.layout.fileLength,
    dataOffset: plan.layout.dataOffset,
    hasWeightsForm: hasWeightsForm(plan.layout),
    partBytes: partBytesOf(plan.layout.fileLength),
    etags,
    uploadId: null,
    problem: null,
    createdAt: at.toISOString(),
    updatedAt: at.toISOString(),
  };
}
