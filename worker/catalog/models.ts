import type { ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import type { Recipe } from "../../shared/recipe/schema.ts";

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

/** @returns false where the catalog knew the model already, and nothing changed */
export async function insertModel(catalog: D1Database, model: ModelRecord): Promise<boolean> {
  const { meta } = await catalog
    .prepare(
      `INSERT INTO models
         (id, recipe, bytes, sha256, data_offset, data_sha256, manifest_sha256, manifest_bytes, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
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
    )
    .run();
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
