import type { Visibility } from "../../shared/api/fusions.ts";
import type { Page } from "../../shared/api/paging.ts";
import type { ProblemDocument } from "../../shared/api/problem.ts";
import type { EvaluationForm } from "../../shared/api/evaluation-form.ts";
import type { SoupQuery, SoupState } from "../../shared/api/soups.ts";
import type { SoupOutcome, SoupQuestion } from "../../shared/fusion/soup/index.ts";
import type { ModelId, SoupId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { hasChanged } from "./changes.ts";
import { Conditions } from "./conditions.ts";
import { pageFromRows } from "./paging.ts";

/** What a soup asks, with every name resolved. Plain JSON. */
export interface StoredSoupQuestion extends SoupQuestion {
  readonly as?: EvaluationForm | undefined;
}

/** A soup, and how far it is. */
export interface SoupRecord {
  readonly id: SoupId;
  readonly question: StoredSoupQuestion;
  readonly state: SoupState;
  /** Of the model that is made. */
  readonly visibility: Visibility;
  /** Counts the Workflow instances that were started for it; 0 where a request makes it. */
  readonly attempt: number;
  /** What the search came to; null before. */
  readonly outcome: SoupOutcome | null;
  readonly model: ModelId | null;
  readonly problem: ProblemDocument | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

interface Row {
  seq: number;
  id: string;
  question: string;
  state: SoupState;
  visibility: Visibility;
  attempt: number;
  outcome: string | null;
  model: string | null;
  problem: string | null;
  created_at: string;
  updated_at: string;
}

/** @returns false where there is one already, which stays as it is */
export function insertSoup(
  catalog: D1Database,
  { id, question, visibility }: Pick<SoupRecord, "id" | "question" | "visibility">,
  at: string,
): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare(
        `INSERT INTO soups (id, question, state, visibility, attempt, created_at, updated_at)
         VALUES (?1, ?2, 'running', ?3, 0, ?4, ?4) ON CONFLICT (id) DO NOTHING`,
      )
      .bind(id, JSON.stringify(question), visibility, at),
  );
}

export async function findSoup(catalog: D1Database, id: SoupId): Promise<SoupRecord | undefined> {
  const row = await catalog.prepare("SELECT * FROM soups WHERE id = ?").bind(id).first<Row>();
  return row === null ? undefined : recordOf(row);
}

/** @throws Problem `soup-not-found` */
export async function requireSoup(catalog: D1Database, id: SoupId): Promise<SoupRecord> {
  const soup = await findSoup(catalog, id);
  if (soup === undefined) throw new Problem("soup-not-found", `There is no soup ${id}.`, { soup: id });
  return soup;
}

/** Newest first. */
export async function listSoups(
  catalog: D1Database,
  { limit, cursor, checkpoint, state }: SoupQuery,
): Promise<Page<SoupRecord>> {
  const conditions = new Conditions()
    .before("seq", cursor)
    .add("instr(json_extract(question, '$.candidates'), ?) > 0", checkpoint)
    .add("state = ?", state);
  const { results } = await catalog
    .prepare(`SELECT * FROM soups WHERE ${conditions.text} ORDER BY seq DESC LIMIT ?`)
    .bind(...conditions.values, limit + 1)
    .all<Row>();
  return pageFromRows(results, limit, recordOf);
}

/**
 * Claims the next attempt at a soup that is not made: of several who want to start it or take it over, one does.
 * @returns whether this caller is the one
 */
export function claimSoup(
  catalog: D1Database,
  { id, attempt }: Pick<SoupRecord, "id" | "attempt">,
  at: string,
): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare(
        `UPDATE soups SET state = 'running', attempt = attempt + 1, problem = NULL, updated_at = ?
         WHERE id = ? AND attempt = ? AND state <> 'succeeded'`,
      )
      .bind(at, id, attempt),
  );
}

/** What an attempt may write while it is the current one and the soup is not made. */
const CURRENT = "id = ? AND attempt = ? AND state = 'running'";

/** Shows that an attempt is alive. @returns false where it is not the current one any more, and should stop */
export function touchSoup(
  catalog: D1Database,
  { id, attempt }: Pick<SoupRecord, "id" | "attempt">,
  at: string,
): Promise<boolean> {
  return hasChanged(touching(catalog, { id, attempt }, at));
}

/** The same as a statement, to go with others. */
export function touching(
  catalog: D1Database,
  { id, attempt }: Pick<SoupRecord, "id" | "attempt">,
  at: string,
): D1PreparedStatement {
  return catalog.prepare(`UPDATE soups SET updated_at = ? WHERE ${CURRENT}`).bind(at, id, attempt);
}

/**
 * Says anew what the model is to be.
 * @returns false where it is too late for private: the search is over, and the model is being made as it was asked for
 */
export function changeVisibility(catalog: D1Database, id: SoupId, visibility: Visibility): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare(
        `UPDATE soups SET visibility = ?1
         WHERE id = ?2 AND (?1 = 'public' OR outcome IS NULL OR state <> 'running')`,
      )
      .bind(visibility, id),
  );
}

/** Records what the search came to. The same question always comes to the same. */
export async function recordOutcome(catalog: D1Database, id: SoupId, outcome: SoupOutcome, at: string): Promise<void> {
  await catalog
    .prepare("UPDATE soups SET outcome = ?, updated_at = ? WHERE id = ?")
    .bind(JSON.stringify(outcome), at, id)
    .run();
}

/** Ends a soup with its model, whichever attempt made it: each comes to the same. */
export async function finishSoup(catalog: D1Database, id: SoupId, model: ModelId, at: string): Promise<void> {
  await catalog
    .prepare("UPDATE soups SET state = 'succeeded', model = ?, updated_at = ? WHERE id = ? AND state = 'running'")
    .bind(model, at, id)
    .run();
}

/** Ends an attempt that failed, should it be the current one. */
export async function failSoup(
  catalog: D1Database,
  { id, attempt }: Pick<SoupRecord, "id" | "attempt">,
  problem: ProblemDocument,
  at: string,
): Promise<void> {
  await catalog
    .prepare(`UPDATE soups SET state = 'failed', problem = ?, updated_at = ? WHERE ${CURRENT}`)
    .bind(JSON.stringify(problem), at, id, attempt)
    .run();
}

/** Forgets a soup that a request began and could not make; what it evaluated is kept for the next. */
export async function forgetSoup(catalog: D1Database, id: SoupId): Promise<void> {
  await catalog.prepare("DELETE FROM soups WHERE id = ? AND state = 'running' AND attempt = 0").bind(id).run();
}

function recordOf(row: Row): SoupRecord {
  return {
    id: row.id as SoupId,
    question: JSON.parse(row.question) as StoredSoupQuestion,
    state: row.state,
    visibility: row.visibility,
    attempt: row.attempt,
    outcome: row.outcome === null ? null : (JSON.parse(row.outcome) as SoupOutcome),
    model: row.model as ModelId | null,
    problem: row.problem === null ? null : (JSON.parse(row.problem) as ProblemDocument),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
