import type { ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import type { Recipe } from "../../shared/recipe/recipe.ts";

/** A materialized model: everything that serving it needs to know without opening it. */
export interface ModelRecord {
  readonly id: ModelId;
  readonly recipe: Recipe;
  readonly bytes: number;
  /** Of model.safetensors. */
  readonly sha256: string;
  /** Where the data section begins, which is weights.bin. */
  readonly dataOffset: number;
  /** Of weights.bin; null where TF.js cannot read the model's dtypes. */
  readonly dataSha256: string | null;
  readonly manifestSha256: string;
  readonly manifestBytes: number;
  readonly createdAt: string;
}

interface Row {
  id: string;
  recipe: string;
  bytes: number;
  sha256: string;
  data_offset: number;
  data_sha256: string | null;
  manifest_sha256: string;
  manifest_bytes: number;
  created_at: string;
}

/**
 * Enters a model, and ends what the catalog knows of its making, in one transaction.
 * @param attempt of the Workflow that made it: then the model is entered only while that attempt is the current one and
 *   nobody cancelled it
 * @returns false where nothing changed: the catalog knew the model already, or the attempt is not the current one
 */
export async function insertModel(catalog: D1Database, model: ModelRecord, attempt?: number): Promise<boolean> {
  const [{ meta } = { meta: { changes: 0 } }] = await catalog.batch([
    catalog
      .prepare(
        `INSERT INTO models
           (id, recipe, bytes, sha256, data_offset, data_sha256, manifest_sha256, manifest_bytes, created_at)
         SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?
         WHERE ? IS NULL
           OR EXISTS (SELECT 1 FROM fusions WHERE id = ? AND attempt = ? AND state IN ('queued', 'running'))
         ON CONFLICT (id) DO NOTHING`,
      )
      .bind(
        model.id,
        JSON.stringify(model.recipe),
        model.bytes,
        model.sha256,
        model.dataOffset,
        model.dataSha256,
        model.manifestSha256,
        model.manifestBytes,
        model.createdAt,
        attempt ?? null,
        model.id,
        attempt ?? null,
      ),
    ...["DELETE FROM fusion_parts WHERE fusion", "DELETE FROM fusions WHERE id"].map((statement) =>
      catalog.prepare(`${statement} = ? AND EXISTS (SELECT 1 FROM models WHERE id = ?)`).bind(model.id, model.id),
    ),
  ]);
  return meta.changes > 0;
}

export async function findModel(catalog: D1Database, id: ModelId): Promise<ModelRecord | undefined> {
  const row = await catalog.prepare("SELECT * FROM models WHERE id = ?").bind(id).first<Row>();
  if (row === null) return undefined;
  return {
    id: row.id as ModelId,
    recipe: JSON.parse(row.recipe) as Recipe,
    bytes: row.bytes,
    sha256: row.sha256,
    dataOffset: row.data_offset,
    dataSha256: row.data_sha256,
    manifestSha256: row.manifest_sha256,
    manifestBytes: row.manifest_bytes,
    createdAt: row.created_at,
  };
}

/** @throws Problem `model-not-found` */
export async function requireModel(catalog: D1Database, id: ModelId): Promise<ModelRecord> {
  const model = await findModel(catalog, id);
  if (model === undefined) throw new Problem("model-not-found", `There is no model ${id}.`, { model: id });
  return model;
}
