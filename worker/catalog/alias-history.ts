import type { AliasChange, AliasName } from "../../shared/api/aliases.ts";
import type { Page } from "../../shared/api/paging.ts";
import type { ModelId } from "../../shared/identity.ts";
import { beforeSeq, pageFromRows, type PageRequest } from "./paging.ts";

interface Row {
  /** The version: it orders the history. */
  seq: number;
  model: string | null;
  action: AliasChange["action"];
  restored: number | null;
  protected: number;
  created_at: string;
  created_by: string;
}

const COLUMNS = "version AS seq, model, action, restored, protected, created_at, created_by";

/** Every version of an alias, newest first; also of one that is deleted. */
export async function listAliasHistory(
  catalog: D1Database,
  name: AliasName,
  { limit, cursor }: PageRequest,
): Promise<Page<AliasChange>> {
  const { results } = await catalog
    .prepare(`SELECT ${COLUMNS} FROM alias_history WHERE name = ? AND version < ? ORDER BY version DESC LIMIT ?`)
    .bind(name, beforeSeq(cursor), limit + 1)
    .all<Row>();
  return pageFromRows(results, limit, changeOf);
}

/** One version of an alias. */
export async function findAliasVersion(
  catalog: D1Database,
  name: AliasName,
  version: number,
): Promise<AliasChange | undefined> {
  const row = await catalog
    .prepare(`SELECT ${COLUMNS} FROM alias_history WHERE name = ? AND version = ?`)
    .bind(name, version)
    .first<Row>();
  return row === null ? undefined : changeOf(row);
}

/** The newest version before `version` in which the alias pointed at a model. */
export async function findVersionBefore(
  catalog: D1Database,
  name: AliasName,
  version: number,
): Promise<AliasChange | undefined> {
  const row = await catalog
    .prepare(
      `SELECT ${COLUMNS} FROM alias_history
       WHERE name = ? AND version < ? AND model IS NOT NULL ORDER BY version DESC LIMIT 1`,
    )
    .bind(name, version)
    .first<Row>();
  return row === null ? undefined : changeOf(row);
}

/** The newest version in which the alias pointed at this model. */
export async function findVersionOfModel(
  catalog: D1Database,
  name: AliasName,
  model: ModelId,
): Promise<AliasChange | undefined> {
  const row = await catalog
    .prepare(`SELECT ${COLUMNS} FROM alias_history WHERE name = ? AND model = ? ORDER BY version DESC LIMIT 1`)
    .bind(name, model)
    .first<Row>();
  return row === null ? undefined : changeOf(row);
}

function changeOf(row: Row): AliasChange {
  return {
    version: row.seq,
    model: row.model as ModelId | null,
    action: row.action,
    restored: row.restored,
    protected: row.protected !== 0,
    createdAt: row.created_at,
    createdBy: row.created_by,
  };
}
