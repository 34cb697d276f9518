import type { ModelId } from "../../shared/identity.ts";
import type { ManifestVerdict } from "../gating/manifest-verdict.ts";
import { type RecipeFile, recipeFileOf, type RecipeFileRow } from "./recipe-file.ts";

/** A materialized model: everything that serving it needs to know without opening it. */
export interface ModelRecord extends RecipeFile {
  /** Of model.safetensors. */
  readonly sha256: string;
  /** Of weights.bin; null where TF.js cannot read the model's dtypes. */
  readonly dataSha256: string | null;
  readonly manifestSha256: string;
  readonly manifestBytes: number;
  /** What a gate said of it before it was public; its manifest is served with it. */
  readonly verdict: ManifestVerdict | null;
}

interface Row extends RecipeFileRow {
  sha256: string;
  data_sha256: string | null;
  manifest_sha256: string;
  manifest_bytes: number;
  verdict: string | null;
  verdict_sha256: string | null;
}

/**
 * Enters a model, and ends what the catalog knows of its making, in one transaction. The visibility of a fusion in the
 * catalog goes before that of `model`: someone may have published it while it was made.
 * @param attempt of the Workflow that made it: then the model is entered only while that attempt is the current one and
 *   nobody cancelled it; "lazy" where it was stored while it was read: then only while the fusion has not been deleted
 * @returns false where nothing changed: the catalog knew the model already, or it is not wanted any more
 */
export async function insertModel(
  catalog: D1Database,
  model: ModelRecord,
  attempt?: number | "lazy",
): Promise<boolean> {
  const number = typeof attempt === "number" ? attempt : null;
  const [{ meta } = { meta: { changes: 0 } }] = await catalog.batch([
    catalog
      .prepare(
        `INSERT INTO models
           (id, recipe, bytes, sha256, data_offset, data_sha256, manifest_sha256, manifest_bytes, visibility,
            created_at)
         SELECT ?, ?, ?, ?, ?, ?, ?, ?, COALESCE((SELECT visibility FROM fusions WHERE id = ?), ?), ?
         WHERE ?
           OR EXISTS (SELECT 1 FROM fusions
                      WHERE id = ? AND (? IS NULL OR (attempt = ? AND state IN ('queued', 'running'))))
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
        model.id,
        model.visibility,
        model.createdAt,
        attempt === undefined ? 1 : 0,
        model.id,
        number,
        number,
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
    ...recipeFileOf(row),
    sha256: row.sha256,
    dataSha256: row.data_sha256,
    manifestSha256: row.manifest_sha256,
    manifestBytes: row.manifest_bytes,
    verdict:
      row.verdict === null || row.verdict_sha256 === null ? null : { text: row.verdict, sha256: row.verdict_sha256 },
  };
}
