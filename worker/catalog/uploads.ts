import type { UploadId } from "../../shared/api/uploads.ts";
import { hasChanged } from "./changes.ts";

/** A file that arrives in parts. */
export interface UploadRecord {
  readonly id: UploadId;
  readonly kind: "checkpoint" | "shard";
  readonly bytes: number;
  readonly partBytes: number;
  /** Of the whole file, as announced. */
  readonly sha256: string | null;
  readonly name: string | null;
  /** Of the bucket's multipart upload; null for a moment at the beginning. */
  readonly multipartId: string | null;
  /** Id of the checkpoint or shard, once it is verified and entered. */
  readonly result: string | null;
  readonly createdAt: string;
  /** Id of the principal. */
  readonly createdBy: string;
  readonly expiresAt: string;
}

/** A part that lies in the bucket. */
export interface UploadedPart {
  /** From 1. */
  readonly number: number;
  readonly etag: string;
  readonly sha256: string;
  readonly bytes: number;
}

interface Row {
  id: string;
  kind: UploadRecord["kind"];
  bytes: number;
  part_bytes: number;
  sha256: string | null;
  name: string | null;
  upload_id: string | null;
  result: string | null;
  created_at: string;
  created_by: string;
  expires_at: string;
}

export async function insertUpload(catalog: D1Database, upload: UploadRecord): Promise<void> {
  await catalog
    .prepare(
      `INSERT INTO uploads (id, kind, bytes, part_bytes, sha256, name, created_at, created_by, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .bind(
      upload.id,
      upload.kind,
      upload.bytes,
      upload.partBytes,
      upload.sha256,
      upload.name,
      upload.createdAt,
      upload.createdBy,
      upload.expiresAt,
    )
    .run();
}

/** Notes the bucket's multipart upload. @returns false where the upload has ended meanwhile */
export function recordMultipart(catalog: D1Database, id: UploadId, multipartId: string): Promise<boolean> {
  return hasChanged(catalog.prepare("UPDATE uploads SET upload_id = ? WHERE id = ?").bind(multipartId, id));
}

export async function findUpload(catalog: D1Database, id: UploadId): Promise<UploadRecord | undefined> {
  const row = await catalog.prepare("SELECT * FROM uploads WHERE id = ?").bind(id).first<Row>();
  return row === null ? undefined : recordOf(row);
}

/** Enters a part, instead of an earlier one of the same number, and lets the upload live on. */
export async function recordUploadedPart(
  catalog: D1Database,
  id: UploadId,
  part: UploadedPart,
  expiresAt: string,
): Promise<boolean> {
  const [{ meta } = { meta: { changes: 0 } }] = await catalog.batch([
    catalog
      .prepare(
        `INSERT OR REPLACE INTO upload_parts (upload, number, etag, sha256, bytes)
         SELECT id, ?, ?, ?, ? FROM uploads WHERE id = ? AND result IS NULL`,
      )
      .bind(part.number, part.etag, part.sha256, part.bytes, id),
    catalog.prepare("UPDATE uploads SET expires_at = ? WHERE id = ? AND expires_at < ?").bind(expiresAt, id, expiresAt),
  ]);
  return meta.changes > 0;
}

export async function listUploadedParts(catalog: D1Database, id: UploadId): Promise<UploadedPart[]> {
  const { results } = await catalog
    .prepare("SELECT number, etag, sha256, bytes FROM upload_parts WHERE upload = ? ORDER BY number")
    .bind(id)
    .all<UploadedPart & Record<string, unknown>>();
  return results.map(({ number, etag, sha256, bytes }) => ({ number, etag, sha256, bytes }));
}

export async function forgetPart(catalog: D1Database, id: UploadId, number: number): Promise<void> {
  await catalog.prepare("DELETE FROM upload_parts WHERE upload = ? AND number = ?").bind(id, number).run();
}

/** Forgets the parts, where the bucket has others than were entered: they have to be sent again. */
export async function forgetParts(catalog: D1Database, id: UploadId): Promise<void> {
  await catalog.prepare("DELETE FROM upload_parts WHERE upload = ?").bind(id).run();
}

/** Says what an upload has become. Its row stays until it expires, for whoever did not hear the answer. */
export async function finishUpload(catalog: D1Database, id: UploadId, result: string): Promise<void> {
  await catalog.batch([
    catalog.prepare("UPDATE uploads SET result = ? WHERE id = ?").bind(result, id),
    catalog.prepare("DELETE FROM upload_parts WHERE upload = ?").bind(id),
  ]);
}

/** @returns false where there was none */
export async function deleteUpload(catalog: D1Database, id: UploadId): Promise<boolean> {
  const [, { meta } = { meta: { changes: 0 } }] = await catalog.batch([
    catalog.prepare("DELETE FROM upload_parts WHERE upload = ?").bind(id),
    catalog.prepare("DELETE FROM uploads WHERE id = ?").bind(id),
  ]);
  return meta.changes > 0;
}

/** Uploads that nobody went on with, the longest dead first. */
export async function listExpired(catalog: D1Database, at: string, limit: number): Promise<UploadRecord[]> {
  const { results } = await catalog
    .prepare("SELECT * FROM uploads WHERE expires_at <= ? ORDER BY expires_at LIMIT ?")
    .bind(at, limit)
    .all<Row>();
  return results.map(recordOf);
}

function recordOf(row: Row): UploadRecord {
  return {
    id: row.id as UploadId,
    kind: row.kind,
    bytes: row.bytes,
    partBytes: row.part_bytes,
    sha256: row.sha256,
    name: row.name,
    multipartId: row.upload_id,
    result: row.result,
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
  };
}
