import type { FusionQuery, ModelQuery, ModelSummary } from "../../shared/api/listing.ts";
import type { CheckpointId, ModelId } from "../../shared/identity.ts";
import type { Page } from "../../shared/api/paging.ts";
import { Conditions } from "./conditions.ts";
import { pageFromRows } from "./paging.ts";
import { recipeFileOf, type RecipeFileRow } from "./recipe-file.ts";

interface Row extends RecipeFileRow {
  seq: number;
  sha256: string;
  data_sha256: string | null;
  architecture: string | null;
}

/** The checkpoints that model `m` was made of, with their rows in the catalog. */
const INPUTS = `json_each(m.recipe, '$.inputs') AS input
  JOIN checkpoints AS c ON c.id = json_extract(input.value, '$.checkpoint')`;

/** Stored models, newest first. */
export async function listModels(catalog: D1Database, query: ModelQuery): Promise<Page<ModelSummary>> {
  const { limit, cursor, architecture, family, dataset, checkpoint, method, visibility } = query;
  const conditions = new Conditions()
    .before("m.seq", cursor)
    .add(`EXISTS (SELECT 1 FROM ${INPUTS} WHERE c.architecture = ?)`, architecture)
    .add(
      `EXISTS (SELECT 1 FROM ${INPUTS} WHERE c.family = ?)
       AND NOT EXISTS (SELECT 1 FROM ${INPUTS} WHERE c.family IS NOT ?)`,
      family,
      family,
    )
    .add(`EXISTS (SELECT 1 FROM ${INPUTS} WHERE c.dataset = ?)`, dataset)
    .add("instr(m.recipe, ?) > 0", checkpoint)
    .add("json_extract(m.recipe, '$.method') = ?", method)
    .add("m.visibility = ?", visibility)
    .add(probed("accuracy", ">="), query.minAccuracy)
    .add(probed("loss", "<="), query.maxLoss);
  const { results } = await catalog
    .prepare(
      `SELECT m.*, (SELECT c.architecture FROM ${INPUTS} WHERE c.architecture IS NOT NULL LIMIT 1) AS architecture
       FROM models AS m WHERE ${conditions.text} ORDER BY m.seq DESC LIMIT ?`,
    )
    .bind(...conditions.values, limit + 1)
    .all<Row>();
  return pageFromRows(results, limit, summaryOf);
}

/** Whether a probe measured so much of the model itself. */
function probed(measure: "accuracy" | "loss", comparison: ">=" | "<="): string {
  return `EXISTS (SELECT 1 FROM probes AS p, json_each(p.members) AS e
            WHERE json_extract(e.value, '$.id') = m.id AND json_extract(e.value, '$.${measure}') ${comparison} ?)`;
}

/**
 * Ids of fusions: those without a result first, which are in one table, then those that succeeded, in another. A cursor
 * says which table, and where in it.
 */
export async function listFusionIds(
  catalog: D1Database,
  { limit, cursor, state }: FusionQuery,
): Promise<Page<ModelId>> {
  const at = cursor?.slice(1);
  const hasStored = state === undefined || state === "succeeded";
  if (state === "succeeded" || cursor?.startsWith("m")) {
    return hasStored ? listStored(catalog, at, limit) : { items: [], next: null };
  }
  const conditions = new Conditions().before("seq", at).add("state = ?", state);
  const pending = await idsOf(catalog, "fusions", conditions, limit);
  if (pending.next !== null) return { items: pending.items, next: `f${pending.next}` };
  if (!hasStored) return pending;
  const room = limit - pending.items.length;
  // A full page ends here; the models begin on the next one.
  if (room === 0) return { items: pending.items, next: `m${Number.MAX_SAFE_INTEGER}` };
  const stored = await listStored(catalog, undefined, room);
  return { items: [...pending.items, ...stored.items], next: stored.next };
}

async function listStored(catalog: D1Database, cursor: string | undefined, limit: number): Promise<Page<ModelId>> {
  const { items, next } = await idsOf(catalog, "models", new Conditions().before("seq", cursor), limit);
  return { items, next: next === null ? null : `m${next}` };
}

async function idsOf(
  catalog: D1Database,
  table: "fusions" | "models",
  conditions: Conditions,
  limit: number,
): Promise<Page<ModelId>> {
  const { results } = await catalog
    .prepare(`SELECT seq, id FROM ${table} WHERE ${conditions.text} ORDER BY seq DESC LIMIT ?`)
    .bind(...conditions.values, limit + 1)
    .all<{ seq: number; id: ModelId }>();
  return pageFromRows(results, limit, ({ id }) => id);
}

function summaryOf(row: Row): ModelSummary {
  const { id, recipe, bytes, visibility, createdAt } = recipeFileOf(row);
  return {
    id,
    method: recipe.method,
    inputs: recipe.inputs.map(({ checkpoint }) => checkpoint as CheckpointId),
    bytes,
    sha256: row.sha256,
    architecture: row.architecture,
    visibility,
    createdAt,
    links: {
      fusion: `/v1/fusions/${id}`,
      model: `/models/${id}/model.safetensors`,
      manifest: `/models/${id}/manifest.json`,
      topology: row.data_sha256 === null ? null : `/models/${id}/model.json`,
    },
  };
}
