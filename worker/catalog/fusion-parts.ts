import type { FusionObservations } from "../../shared/fusion/index.ts";
import type { ModelId } from "../../shared/identity.ts";

/** A part of a multipart upload that lies in the bucket. */
export interface PartRecord {
  /** From 1. */
  readonly number: number;
  readonly etag: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly observations: FusionObservations;
}

interface Row {
  number: number;
  etag: string;
  sha256: string;
  bytes: number;
  observations: string;
}

/** Enters a part into the journal, while its upload is the fusion's. @returns false where it is not any more */
export async function recordPart(
  catalog: D1Database,
  { id, attempt, uploadId }: { id: ModelId; attempt: number; uploadId: string },
  part: PartRecord,
  at: string,
): Promise<boolean> {
  const [, { meta } = { meta: { changes: 0 } }] = await catalog.batch([
    catalog
      .prepare(
        `INSERT OR REPLACE INTO fusion_parts (fusion, upload_id, number, etag, sha256, bytes, observations)
         SELECT ?, ?, ?, ?, ?, ?, ? FROM fusions
         WHERE id = ? AND upload_id = ? AND attempt = ? AND state IN ('queued', 'running')`,
      )
      .bind(
        id,
        uploadId,
        part.number,
        part.etag,
        part.sha256,
        part.bytes,
        JSON.stringify(part.observations),
        id,
        uploadId,
        attempt,
      ),
    catalog
      .prepare(
        `UPDATE fusions SET state = 'running', updated_at = ?
         WHERE id = ? AND upload_id = ? AND attempt = ? AND state IN ('queued', 'running')`,
      )
      .bind(at, id, uploadId, attempt),
  ]);
  return meta.changes > 0;
}

/** The parts of an upload that are done, in order, within `[first, last]`. */
export async function listParts(
  catalog: D1Database,
  id: ModelId,
  uploadId: string,
  first = 1,
  last = 10_000,
): Promise<PartRecord[]> {
  const { results } = await catalog
    .prepare(`SELECT * FROM fusion_parts WHERE fusion = ? AND upload_id = ? AND number BETWEEN ? AND ? ORDER BY number`)
    .bind(id, uploadId, first, last)
    .all<Row>();
  return results.map(({ number, etag, sha256, bytes, observations }) => ({
    number,
    etag,
    sha256,
    bytes,
    observations: JSON.parse(observations) as FusionObservations,
  }));
}

export async function countParts(
  catalog: D1Database,
  id: ModelId,
  uploadId: string,
): Promise<{ parts: number; bytes: number }> {
  const row = await catalog
    .prepare(
      "SELECT COUNT(*) AS parts, COALESCE(SUM(bytes), 0) AS bytes FROM fusion_parts WHERE fusion = ? AND upload_id = ?",
    )
    .bind(id, uploadId)
    .first<{ parts: number; bytes: number }>();
  return row ?? { parts: 0, bytes: 0 };
}
