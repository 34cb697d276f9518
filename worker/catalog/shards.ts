import type { ShardDescription } from "../../shared/api/datasets.ts";
import type { ShardId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";

interface Row {
  id: string;
  bytes: number;
  samples: number;
  input_shape: string;
  created_at: string;
}

/** @returns false where the catalog knew the shard already, and nothing changed */
export async function insertShard(catalog: D1Database, shard: ShardDescription): Promise<boolean> {
  const { meta } = await catalog
    .prepare(
      `INSERT INTO shards (id, bytes, samples, input_shape, created_at)
       VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
    )
    .bind(shard.id, shard.bytes, shard.samples, JSON.stringify(shard.inputShape), shard.createdAt)
    .run();
  return meta.changes > 0;
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
