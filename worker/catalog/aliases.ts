import type { AliasName } from "../../shared/api/aliases.ts";
import type { ParsedGateForm } from "../../shared/api/gates.ts";
import type { Page } from "../../shared/api/paging.ts";
import type { ModelId, ProbeId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { beforeSeq, pageFromRows, type PageRequest } from "./paging.ts";

/** A name, and the model that it points at. */
export interface AliasRecord {
  readonly name: AliasName;
  readonly model: ModelId;
  /** From 1; counts every change, also across deletions. */
  readonly version: number;
  readonly isProtected: boolean;
  /** What a model must pass that a protected alias moves to; null: any gate. */
  readonly gateForm: ParsedGateForm | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** Id of the principal. */
  readonly updatedBy: string;
}

/** What a gate found of a model that an alias shall move to. */
export interface GateVerdict {
  readonly model: ModelId;
  /** Of the model's parents, where there is one. */
  readonly probe: ProbeId | null;
  readonly hasPassed: boolean;
}

/** Who changes an alias, and when. */
export interface Change {
  readonly at: string;
  readonly by: string;
}

interface Row {
  seq: number;
  name: string;
  model: string;
  version: number;
  protected: number;
  gate: string | null;
  created_at: string;
  updated_at: string;
  updated_by: string;
}

export async function findAlias(catalog: D1Database, name: AliasName): Promise<AliasRecord | undefined> {
  const row = await catalog.prepare("SELECT * FROM aliases WHERE name = ?").bind(name).first<Row>();
  return row === null ? undefined : recordOf(row);
}

/** A model may be deleted while an alias is made to point at it: then one of the two does nothing. */
const MODEL_IS_THERE = "EXISTS (SELECT 1 FROM models WHERE id = ?1 UNION ALL SELECT 1 FROM fusions WHERE id = ?1)";

/** Newest first. @param model only aliases that point at it */
export async function listAliases(
  catalog: D1Database,
  { limit, cursor, model }: PageRequest & { readonly model?: ModelId | undefined },
): Promise<Page<AliasRecord>> {
  const { results } = await catalog
    .prepare("SELECT * FROM aliases WHERE seq < ? AND (? IS NULL OR model = ?) ORDER BY seq DESC LIMIT ?")
    .bind(beforeSeq(cursor), model ?? null, model ?? null, limit + 1)
    .all<Row>();
  return pageFromRows(results, limit, recordOf);
}

/** An alias to be made. */
export interface NewAlias extends Pick<AliasRecord, "name" | "model" | "isProtected"> {
  readonly gateForm?: AliasRecord["gateForm"] | undefined;
}

/**
 * Makes an alias, unless there is one. Of several who try at once, one does.
 * @returns undefined where there is one already, which stays; or where the model has gone
 */
export async function createAlias(
  catalog: D1Database,
  { name, model, isProtected, gateForm = null }: NewAlias,
  { at, by }: Change,
): Promise<AliasRecord | undefined> {
  const [created] = await catalog.batch<Row>([
    catalog
      .prepare(
        `INSERT INTO aliases (name, model, version, protected, created_at, updated_at, updated_by, gate)
         SELECT ?2, ?1, COALESCE((SELECT MAX(version) FROM alias_history WHERE name = ?2), 0) + 1, ?3, ?4, ?4, ?5, ?6
         WHERE ${MODEL_IS_THERE} ON CONFLICT (name) DO NOTHING RETURNING *`,
      )
      .bind(model, name, isProtected ? 1 : 0, at, by, formText(gateForm)),
    // Where nothing was made, the alias's version is in its history already.
    catalog
      .prepare(
        `INSERT INTO alias_history (name, version, model, action, protected, created_at, created_by)
         SELECT name, version, model, 'create', protected, updated_at, updated_by FROM aliases
         WHERE name = ? ON CONFLICT (name, version) DO NOTHING`,
      )
      .bind(name),
  ]);
  const [row] = created?.results ?? [];
  return row === undefined ? undefined : recordOf(row);
}

export interface Move {
  /** The alias as whoever moves it has seen it. */
  readonly seen: AliasRecord;
  readonly model: ModelId;
  readonly isProtected: boolean;
  /** The alias's gate from now on; undefined: as it is. Who is not protected has none. */
  readonly gateForm?: AliasRecord["gateForm"] | undefined;
  /** Of a rollback: which version it brings back. */
  readonly restored?: number | undefined;
  /** Needed where the alias is protected and the model is another one. */
  readonly gate?: GateVerdict | undefined;
}

/**
 * Points an alias at a model: compare-and-swap on the version that was seen, so that of several who move it at once,
 * one does.
 * @returns undefined where the alias has changed since, or the model has gone
 * @throws Problem `gate-required`
 */
export async function moveAlias(
  catalog: D1Database,
  { seen, model, isProtected, gateForm = seen.gateForm, restored, gate }: Move,
  { at, by }: Change,
): Promise<AliasRecord | undefined> {
  await requireGate(catalog, { seen, model, restored, gate });
  const { name, version } = seen;
  const [, moved] = await catalog.batch<Row>([
    catalog
      .prepare(
        `INSERT INTO alias_history (name, version, model, action, restored, protected, created_at, created_by)
         SELECT name, version + 1, ?1, ?4, ?5, ?6, ?7, ?8 FROM aliases
         WHERE name = ?2 AND version = ?3 AND ${MODEL_IS_THERE}`,
      )
      .bind(
        model,
        name,
        version,
        restored === undefined ? "move" : "rollback",
        restored ?? null,
        isProtected ? 1 : 0,
        at,
        by,
      ),
    catalog
      .prepare(
        `UPDATE aliases
         SET model = ?1, version = version + 1, protected = ?4, updated_at = ?5, updated_by = ?6, gate = ?7
         WHERE name = ?2 AND version = ?3 AND ${MODEL_IS_THERE} RETURNING *`,
      )
      .bind(model, name, version, isProtected ? 1 : 0, at, by, isProtected ? formText(gateForm) : null),
  ]);
  const [row] = moved?.results ?? [];
  return row === undefined ? undefined : recordOf(row);
}

/** Deletes an alias; its history stays. @returns false where the alias has changed since it was seen */
export async function deleteAlias(
  catalog: D1Database,
  { name, version }: Pick<AliasRecord, "name" | "version">,
  { at, by }: Change,
): Promise<boolean> {
  const [, { meta } = { meta: { changes: 0 } }] = await catalog.batch([
    catalog
      .prepare(
        `INSERT INTO alias_history (name, version, model, action, protected, created_at, created_by)
         SELECT name, version + 1, NULL, 'delete', protected, ?, ? FROM aliases WHERE name = ? AND version = ?`,
      )
      .bind(at, by, name, version),
    catalog.prepare("DELETE FROM aliases WHERE name = ? AND version = ?").bind(name, version),
  ]);
  return meta.changes > 0;
}

/** A protected alias takes a model that passed a gate, or goes back to what it held while it was protected. */
async function requireGate(
  catalog: D1Database,
  { seen: { name, isProtected, model: current }, model, restored, gate }: Omit<Move, "isProtected" | "gateForm">,
): Promise<void> {
  if (!isProtected || model === current) return;
  if (gate !== undefined && gate.hasPassed && gate.model === model) return;
  if (restored !== undefined) {
    const held = await catalog
      .prepare("SELECT 1 FROM alias_history WHERE name = ? AND version = ? AND model = ? AND protected = 1")
      .bind(name, restored, model)
      .first();
    if (held !== null) return;
  }
  throw new Problem("gate-required", `The alias ${name} is protected: it moves only to a model that passed a gate.`, {
    alias: name,
    model,
  });
}

function formText(form: AliasRecord["gateForm"]): string | null {
  return form === null ? null : JSON.stringify(form);
}

function recordOf(row: Row): AliasRecord {
  return {
    name: row.name as AliasName,
    model: row.model as ModelId,
    version: row.version,
    isProtected: row.protected !== 0,
    gateForm: row.gate === null ? null : (JSON.parse(row.gate) as ParsedGateForm),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    updatedBy: row.updated_by,
  };
}
