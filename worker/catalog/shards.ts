import type { ShardDescription } from "../../shared/api/datasets.ts";
import type { ShardId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { shardKey } from "../objects/keys.ts";
import type { Page } from "../../shared/api/paging.ts";
import type { ShardQuery } from "../../shared/api/listing.ts";
import { beingDeleted } from "./checkpoints.ts";
import { Conditions } from "./conditions.ts";
import { NOT_BEING_DELETED } from "./deletions.ts";
import { pageFromRows } from "./paging.ts";

interface Row {
  seq: number;
  id: string;
  bytes: number;
  samples: number;
  input_shape: string;
  created_at: string;
}

/**
 * @returns false where the catalog knew the shard already, and nothing changed
 * @throws Problem `being-deleted`
 */
export async function insertShard(catalog: D1Database, shard: ShardDescription): Promise<boolean> {
  const { id, bytes, samples, inputShape, createdAt } = shard;
  const [inserted, known] = await catalog.batch<{ id: string }>([
    catalog
      .prepare(
        `INSERT INTO shards (id, bytes, samples, input_shape, created_at)
         SELECT ?, ?, ?, ?, ? WHERE ${NOT_BEING_DELETED} ON CONFLICT (id) DO NOTHING`,
      )
      .bind(id, bytes, samples, JSON.stringify(inputShape), createdAt, shardKey(id)),
    catalog.prepare("SELECT id FROM shards WHERE id = ?").bind(id),
  ]);
  if (known?.results.length === 0) throw beingDeleted(id);
  return (inserted?.meta.changes ?? 0) > 0;
}

/** For a shard whose object is not there. */
export async function forgetShard(catalog: D1Database, id: ShardId): Promise<void> {
  await catalog.prepare("DELETE FROM shards WHERE id = ?").bind(id).run();
}

/** Newest first. */
export async function listShards(
  catalog: D1Database,
  { limit, cursor, dataset }: ShardQuery,
): Promise<Page<ShardDescription>> {
  const conditions = new Conditions()
    .before("seq", cursor)
    .add("id IN (SELECT j.value FROM datasets AS d, json_each(d.shards) AS j WHERE d.name = ?)", dataset);
  const { results } = await catalog
    .prepare(`SELECT * FROM shards WHERE ${conditions.text} ORDER BY seq DESC LIMIT ?`)
    .bind(...conditions.values, limit + 1)
    .all<Row>();
  return pageFromRows(results, limit, descriptionOf);
}

export async function findShard(catalog: D1Database, id: ShardId): Promise<ShardDescription | undefined> {
  const row = await catalog.prepare("SELECT * FROM shards WHERE id = ?").bind(id).first<Row>();
  return row === null ? undefined : descriptionOf(row);
}

/**
 * Finds every shard of a list, in its order.
 * @throws Problem `shard-not-found` naming the first that is missing
 */
export async function findShards(catalog: D1Database, ids: readonly ShardId[]): Promise<ShardDescription[]> {
  // One parameter however long the list: SQLite takes the ids as a JSON table.
  const { results } = await catalog
    .prepare("SELECT * FROM shards WHERE id IN (SELECT value FROM json_each(?))")
    .bind(JSON.stringify(ids))
    .all<Row>();
  const known = new Map(results.map((row) => [row.id, descriptionOf(row)]));
  return ids.map((id) => {
    const shard = known.get(id);
    if (shard === undefined) throw new Problem("shard-not-found", `There is no shard ${id}.`, { shard: id });
    return shard;
  });
}

function descriptionOf(row: Row): ShardDescription {
  return {
    id: row.id as ShardId,
    bytes: row.bytes,
    samples: row.samples,
    inputShape: JSON.parse(row.input_shape) as number[],
    createdAt: row.created_at,
  };
}
