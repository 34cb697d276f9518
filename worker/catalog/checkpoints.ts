import type { CheckpointSummary, CompositeCheckpoint } from "../../shared/api/checkpoints.ts";
import type { Page } from "../../shared/api/paging.ts";
import type { Alignment } from "../../shared/alignment/metadata.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { beforeSeq, pageFromRows, type PageRequest } from "./paging.ts";

interface Row {
  seq: number;
  id: string;
  name: string | null;
  bytes: number;
  tensors: number;
  elements: number;
  dtypes: string;
  architecture: string | null;
  alignment: string | null;
  created_at: string;
}

/** @returns false where the catalog knew the checkpoint already, and nothing changed */
export async function insertCheckpoint(
  catalog: D1Database,
  checkpoint: CheckpointSummary,
  composite?: CompositeCheckpoint,
): Promise<boolean> {
  const { meta } = await catalog
    .prepare(
      `INSERT INTO checkpoints (id, name, bytes, tensors, elements, dtypes, architecture, alignment, created_at, composite)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
    )
    .bind(
      checkpoint.id,
      checkpoint.name,
      checkpoint.bytes,
      checkpoint.tensors,
      checkpoint.elements,
      JSON.stringify(checkpoint.dtypes),
      checkpoint.architecture,
      checkpoint.alignment === null ? null : JSON.stringify(checkpoint.alignment),
      checkpoint.createdAt,
      composite === undefined ? null : JSON.stringify(composite),
    )
    .run();
  return meta.changes > 0;
}

export async function findCheckpoint(catalog: D1Database, id: CheckpointId): Promise<CheckpointSummary | undefined> {
  const row = await catalog.prepare("SELECT * FROM checkpoints WHERE id = ?").bind(id).first<Row>();
  return row === null ? undefined : summaryOf(row);
}

/** What a sharded checkpoint is made of; undefined for one that is an object of its own. */
export async function findComposite(catalog: D1Database, id: CheckpointId): Promise<CompositeCheckpoint | undefined> {
  const row = await catalog
    .prepare("SELECT composite FROM checkpoints WHERE id = ?")
    .bind(id)
    .first<{ composite: string | null }>();
  return row === null || row.composite === null ? undefined : (JSON.parse(row.composite) as CompositeCheckpoint);
}

/** @throws Problem `checkpoint-not-found` */
export async function requireCheckpoint(catalog: D1Database, id: CheckpointId): Promise<CheckpointSummary> {
  const summary = await findCheckpoint(catalog, id);
  if (summary === undefined) {
    throw new Problem("checkpoint-not-found", `There is no checkpoint ${id}.`, { checkpoint: id });
  }
  return summary;
}

export async function listCheckpoints(
  catalog: D1Database,
  { limit, cursor }: PageRequest,
): Promise<Page<CheckpointSummary>> {
  const { results } = await catalog
    .prepare("SELECT * FROM checkpoints WHERE seq < ? ORDER BY seq DESC LIMIT ?")
    .bind(beforeSeq(cursor), limit + 1)
    .all<Row>();
  return pageFromRows(results, limit, summaryOf);
}

/** For a checkpoint whose object turned out not to be what it was registered as. */
export async function forgetCheckpoint(catalog: D1Database, id: CheckpointId): Promise<void> {
  await catalog.prepare("DELETE FROM checkpoints WHERE id = ?").bind(id).run();
}

function summaryOf(row: Row): CheckpointSummary {
  return {
    id: row.id as CheckpointId,
    name: row.name,
    bytes: row.bytes,
    tensors: row.tensors,
    elements: row.elements,
    dtypes: JSON.parse(row.dtypes) as string[],
    architecture: row.architecture,
    alignment: row.alignment === null ? null : (JSON.parse(row.alignment) as Alignment),
    createdAt: row.created_at,
  };
}
