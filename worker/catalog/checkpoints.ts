import type { CheckpointSummary, CompositeCheckpoint } from "../../shared/api/checkpoints.ts";
import type { CheckpointQuery } from "../../shared/api/listing.ts";
import type { Page } from "../../shared/api/paging.ts";
import type { Alignment } from "../../shared/alignment/metadata.ts";
import type { CheckpointId, TopologyId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { checkpointKey } from "../objects/keys.ts";
import { Conditions } from "./conditions.ts";
import { NOT_BEING_DELETED } from "./deletions.ts";
import { pageFromRows } from "./paging.ts";

interface Row {
  seq: number;
  id: string;
  name: string | null;
  bytes: number;
  tensors: number;
  elements: number;
  dtypes: string;
  architecture: string | null;
  topology: string | null;
  alignment: string | null;
  family: string | null;
  dataset: string | null;
  metrics: string;
  created_at: string;
}

/**
 * @returns false where the catalog knew the checkpoint already, and nothing changed
 * @throws Problem `being-deleted`
 */
export async function insertCheckpoint(
  catalog: D1Database,
  checkpoint: CheckpointSummary,
  composite?: CompositeCheckpoint,
): Promise<boolean> {
  const key = checkpointKey(checkpoint.id);
  const [inserted, known] = await catalog.batch<{ id: string }>([
    catalog
      .prepare(
        `INSERT INTO checkpoints
           (id, name, bytes, tensors, elements, dtypes, architecture, alignment, created_at, composite, family, dataset,
            metrics, topology, indexed)
         SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1 WHERE ${NOT_BEING_DELETED} ON CONFLICT (id) DO NOTHING`,
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
        checkpoint.family,
        checkpoint.dataset,
        JSON.stringify(checkpoint.metrics),
        checkpoint.topology,
        key,
      ),
    catalog.prepare("SELECT id FROM checkpoints WHERE id = ?").bind(checkpoint.id),
  ]);
  if (known?.results.length === 0) throw beingDeleted(checkpoint.id);
  return (inserted?.meta.changes ?? 0) > 0;
}

/** For whoever brings bytes that someone else is deleting at this moment. */
export function beingDeleted(id: string): Problem {
  return new Problem("being-deleted", `${id} is being deleted at this moment; send it again shortly.`, { id });
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

/** Newest first. */
export async function listCheckpoints(
  catalog: D1Database,
  { limit, cursor, architecture, family, dataset, metric, min, max, minAccuracy }: CheckpointQuery,
): Promise<Page<CheckpointSummary>> {
  const value = "json_extract(metrics, '$.' || ?)";
  const conditions = new Conditions()
    .before("seq", cursor)
    .add("architecture = ?", architecture)
    .add("family = ?", family)
    .add("dataset = ?", dataset)
    .add(`json_extract(metrics, '$.validationAccuracy') >= ?`, minAccuracy);
  if (metric !== undefined && min !== undefined) conditions.add(`${value} >= ?`, metric, min);
  if (metric !== undefined && max !== undefined) conditions.add(`${value} <= ?`, metric, max);
  const { results } = await catalog
    .prepare(`SELECT * FROM checkpoints WHERE ${conditions.text} ORDER BY seq DESC LIMIT ?`)
    .bind(...conditions.values, limit + 1)
    .all<Row>();
  return pageFromRows(results, limit, summaryOf);
}

/** Checkpoints that were entered before the catalog kept their family and training, oldest first. */
export async function listUnindexed(
  catalog: D1Database,
  limit: number,
  afterSeq = 0,
): Promise<{ seq: number; id: CheckpointId }[]> {
  const { results } = await catalog
    .prepare("SELECT seq, id FROM checkpoints WHERE indexed = 0 AND seq > ? ORDER BY seq LIMIT ?")
    .bind(afterSeq, limit)
    .all<{ seq: number; id: CheckpointId }>();
  return results;
}

/** Enters what a header says into the row of a checkpoint from before. */
export async function indexCheckpoint(
  catalog: D1Database,
  { id, family, dataset, metrics }: Pick<CheckpointSummary, "id" | "family" | "dataset" | "metrics">,
): Promise<void> {
  await catalog
    .prepare("UPDATE checkpoints SET family = ?, dataset = ?, metrics = ?, indexed = 1 WHERE id = ?")
    .bind(family, dataset, JSON.stringify(metrics), id)
    .run();
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
    topology: row.topology as TopologyId | null,
    alignment: row.alignment === null ? null : (JSON.parse(row.alignment) as Alignment),
    family: row.family,
    dataset: row.dataset,
    metrics: JSON.parse(row.metrics) as Record<string, number>,
    createdAt: row.created_at,
  };
}
