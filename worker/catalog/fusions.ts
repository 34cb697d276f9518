import type { ProblemDocument } from "../../shared/api/problem.ts";
import type { ModelId } from "../../shared/identity.ts";
import { hasChanged } from "./changes.ts";
import { type RecipeFile, recipeFileOf, type RecipeFileRow } from "./recipe-file.ts";

/** States of a fusion that is not stored; one that succeeded is a model. */
export type PendingState = "lazy" | "queued" | "running" | "failed" | "cancelled";

/** A fusion whose model is not stored: lazy, being made, or ended without a result. */
export interface FusionRecord extends RecipeFile {
  readonly state: PendingState;
  /** Number of the Workflow instance that may write. A fusion that was deleted and made anew does not begin at the same one. */
  readonly attempt: number;
  readonly hasWeightsForm: boolean;
  readonly partBytes: number;
  /** Which version of each object the fusion was planned over. */
  readonly etags: Readonly<Record<string, string>>;
  /** Of the multipart upload under way. */
  readonly uploadId: string | null;
  readonly problem: ProblemDocument | null;
  readonly updatedAt: string;
}

interface Row extends RecipeFileRow {
  state: PendingState;
  attempt: number;
  has_weights_form: number;
  part_bytes: number;
  etags: string;
  upload_id: string | null;
  problem: string | null;
  updated_at: string;
}

/** @returns false where there is one already, which stays as it is */
export async function insertFusion(catalog: D1Database, fusion: FusionRecord): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare(
        `INSERT INTO fusions
         (id, recipe, state, attempt, bytes, data_offset, has_weights_form, part_bytes, etags, visibility, created_at,
          updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
      )
      .bind(
        fusion.id,
        JSON.stringify(fusion.recipe),
        fusion.state,
        fusion.attempt,
        fusion.bytes,
        fusion.dataOffset,
        fusion.hasWeightsForm ? 1 : 0,
        fusion.partBytes,
        JSON.stringify(fusion.etags),
        fusion.visibility,
        fusion.createdAt,
        fusion.updatedAt,
      ),
  );
}

export async function findFusion(catalog: D1Database, id: ModelId): Promise<FusionRecord | undefined> {
  const row = await catalog.prepare("SELECT * FROM fusions WHERE id = ?").bind(id).first<Row>();
  if (row === null) return undefined;
  return {
    ...recipeFileOf(row),
    state: row.state,
    attempt: row.attempt,
    hasWeightsForm: row.has_weights_form !== 0,
    partBytes: row.part_bytes,
    etags: JSON.parse(row.etags) as Record<string, string>,
    uploadId: row.upload_id,
    problem: row.problem === null ? null : (JSON.parse(row.problem) as ProblemDocument),
    updatedAt: row.updated_at,
  };
}

/**
 * Claims the next attempt: compare-and-swap on what the caller has seen, so that of several who want to start or take
 * over a fusion, one does.
 * @param etags versions that a fusion that is begun anew was planned over; one that is taken over keeps its own
 * @returns whether this caller is the one
 */
export async function claimAttempt(
  catalog: D1Database,
  { id, attempt, state }: Pick<FusionRecord, "id" | "attempt" | "state">,
  at: string,
  etags?: FusionRecord["etags"],
): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare(
        `UPDATE fusions
         SET state = 'queued', attempt = attempt + 1, problem = NULL, etags = COALESCE(?, etags), updated_at = ?
         WHERE id = ? AND attempt = ? AND state = ?`,
      )
      .bind(etags === undefined ? null : JSON.stringify(etags), at, id, attempt, state),
  );
}

/** Makes a fusion lazy that nobody is making: one that failed, was cancelled, or was planned over other versions. */
export async function renewLazy(
  catalog: D1Database,
  { id, etags, updatedAt }: Pick<FusionRecord, "id" | "etags" | "updatedAt">,
): Promise<void> {
  await catalog
    .prepare(
      `UPDATE fusions SET state = 'lazy', problem = NULL, etags = ?, updated_at = ?
       WHERE id = ? AND state IN ('lazy', 'failed', 'cancelled')`,
    )
    .bind(JSON.stringify(etags), updatedAt, id)
    .run();
}

/** What an attempt may write while it is the current one and nobody cancelled it. */
const CURRENT = "id = ? AND attempt = ? AND state IN ('queued', 'running')";

/** Says that an attempt is alive. @returns false where it is not the current one, and should stop */
export async function touchFusion(
  catalog: D1Database,
  { id, attempt }: { id: ModelId; attempt: number },
  at: string,
): Promise<boolean> {
  return hasChanged(
    catalog.prepare(`UPDATE fusions SET state = 'running', updated_at = ? WHERE ${CURRENT}`).bind(at, id, attempt),
  );
}

/** Records the multipart upload, unless there is one or the attempt is not the current one. */
export async function recordUpload(
  catalog: D1Database,
  { id, attempt }: { id: ModelId; attempt: number },
  uploadId: string,
): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare(`UPDATE fusions SET upload_id = ? WHERE ${CURRENT} AND upload_id IS NULL`)
      .bind(uploadId, id, attempt),
  );
}

/**
 * Ends a fusion without a result: no alias waits for it any more, whoever makes the model later.
 * @param attempt ends only this one; the current one where undefined
 * @returns the multipart upload that was under way; undefined where the fusion was not queued or running
 */
export async function endFusion(
  catalog: D1Database,
  id: ModelId,
  end: { state: "failed" | "cancelled"; problem: ProblemDocument | null; attempt?: number; at: string },
): Promise<{ uploadId: string | null } | undefined> {
  const attempt = end.attempt ?? null;
  const condition = "id = ? AND state IN ('queued', 'running') AND (? IS NULL OR attempt = ?)";
  const [before] = await catalog.batch<{ upload_id: string | null }>([
    catalog.prepare(`SELECT upload_id FROM fusions WHERE ${condition}`).bind(id, attempt, attempt),
    ...["fusion_parts WHERE fusion", "alias_orders WHERE model"].map((rows) =>
      catalog
        .prepare(`DELETE FROM ${rows} = ? AND EXISTS (SELECT 1 FROM fusions WHERE ${condition})`)
        .bind(id, id, attempt, attempt),
    ),
    catalog
      .prepare(`UPDATE fusions SET state = ?, problem = ?, upload_id = NULL, updated_at = ? WHERE ${condition}`)
      .bind(end.state, end.problem === null ? null : JSON.stringify(end.problem), end.at, id, attempt, attempt),
  ]);
  const [row] = before?.results ?? [];
  return row === undefined ? undefined : { uploadId: row.upload_id };
}
