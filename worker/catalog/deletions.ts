import { hasChanged } from "./changes.ts";

/**
 * Deleting takes two stores, one after the other: first the row goes and a mark comes, in one transaction, then the
 * object, then the mark. While the mark is there, nobody can enter a row for the object that is about to go; and where
 * the worker dies in between, the mark tells what is left to do.
 */

/** Condition of an insertion, with the object's key as its parameter. */
export const NOT_BEING_DELETED = "NOT EXISTS (SELECT 1 FROM deletions WHERE key = ?)";

/** A statement that marks what is being deleted. @param condition SQL with the thing's id as its parameter `?1` */
export function markWhere(
  catalog: D1Database,
  { condition, id, key, at }: { condition: string; id: string; key: string; at: string },
): D1PreparedStatement {
  return catalog
    .prepare(`INSERT INTO deletions (key, created_at) SELECT ?2, ?3 WHERE ${condition} ON CONFLICT (key) DO NOTHING`)
    .bind(id, key, at);
}

/** Marks an object that no row of `table` stands for. @returns false where one does, or it is marked already */
export function markOrphan(
  catalog: D1Database,
  { key, table, id, at }: { key: string; table: "checkpoints" | "shards" | "topologies"; id: string; at: string },
): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare(
        `INSERT INTO deletions (key, created_at) SELECT ?, ?
         WHERE NOT EXISTS (SELECT 1 FROM ${table} WHERE id = ?) ON CONFLICT (key) DO NOTHING`,
      )
      .bind(key, at, id),
  );
}

export async function isMarked(catalog: D1Database, key: string): Promise<boolean> {
  return (await catalog.prepare("SELECT 1 FROM deletions WHERE key = ?").bind(key).first()) !== null;
}

/** Marks that were left by a worker that died. */
export async function listMarks(
  catalog: D1Database,
  { before, after, limit }: { before: string; after: string; limit: number },
): Promise<string[]> {
  const { results } = await catalog
    .prepare("SELECT key FROM deletions WHERE created_at <= ? AND key > ? ORDER BY key LIMIT ?")
    .bind(before, after, limit)
    .all<{ key: string }>();
  return results.map(({ key }) => key);
}

export async function removeMark(catalog: D1Database, key: string): Promise<void> {
  await catalog.prepare("DELETE FROM deletions WHERE key = ?").bind(key).run();
}
