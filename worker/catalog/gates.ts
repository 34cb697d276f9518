import type { EvaluationForm } from "../../shared/api/evaluation-form.ts";
import type { Visibility } from "../../shared/api/fusions.ts";
import type { GateLimits, GateMeasures, GateQuery, GateState } from "../../shared/api/gates.ts";
import type { Page } from "../../shared/api/paging.ts";
import type { StatisticsMode } from "../../shared/api/probes.ts";
import type { CheckpointId, DatasetName, GateId, ModelId, ProbeId, ShardId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { hasChanged } from "./changes.ts";
import { Conditions } from "./conditions.ts";
import { pageFromRows } from "./paging.ts";

/** What a gate asks of a model, with every name resolved: it can only ever have one answer. Plain JSON. */
export interface GateQuestion {
  readonly model: ModelId;
  /** What the model was made of, and where it lies between them: shares sum to 1. */
  readonly parents: readonly { readonly id: CheckpointId; readonly share: number }[];
  readonly dataset: DatasetName;
  readonly version: number;
  readonly limits: GateLimits;
  readonly points: number;
  readonly statistics: StatisticsMode;
  readonly calibration?: ShardId | undefined;
  readonly as?: EvaluationForm | undefined;
}

/** A gate, and what came of it. */
export interface GateRecord {
  readonly id: GateId;
  readonly question: GateQuestion;
  readonly state: GateState;
  /** What a model that passes becomes. */
  readonly release: Visibility;
  readonly attempt: number;
  readonly probe: ProbeId | null;
  readonly measured: GateMeasures | null;
  readonly reasons: readonly string[];
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly decidedAt: string | null;
}

interface Row {
  seq: number;
  id: string;
  model: string;
  question: string;
  state: GateState;
  release: Visibility;
  attempt: number;
  probe: string | null;
  measured: string | null;
  reasons: string;
  created_at: string;
  updated_at: string;
  decided_at: string | null;
}

/**
 * Enters a gate, unless it is there. Where it is, and shall publish now what it did not before, it will.
 * @returns the gate as it is now
 */
export async function enterGate(
  catalog: D1Database,
  { id, question, release }: Pick<GateRecord, "id" | "question" | "release">,
  at: string,
): Promise<GateRecord> {
  const row = await catalog
    .prepare(
      `INSERT INTO gates (id, model, question, state, release, attempt, reasons, created_at, updated_at)
       VALUES (?1, ?2, ?3, 'pending', ?4, 0, '[]', ?5, ?5)
       ON CONFLICT (id) DO UPDATE SET release = MAX(release, excluded.release) RETURNING *`,
    )
    .bind(id, question.model, JSON.stringify(question), release, at)
    .first<Row>();
  if (row === null) throw new Error(`gate ${id} was entered a moment ago`);
  return recordOf(row);
}

/** Forgets a gate that waits for a model that will not be. */
export async function forgetGate(catalog: D1Database, id: GateId): Promise<void> {
  await catalog
    .prepare(
      `DELETE FROM gates AS g WHERE id = ? AND state = 'pending'
         AND NOT EXISTS (SELECT 1 FROM models WHERE id = g.model UNION ALL SELECT 1 FROM fusions WHERE id = g.model)`,
    )
    .bind(id)
    .run();
}

export async function findGate(catalog: D1Database, id: GateId): Promise<GateRecord | undefined> {
  const row = await catalog.prepare("SELECT * FROM gates WHERE id = ?").bind(id).first<Row>();
  return row === null ? undefined : recordOf(row);
}

/** @throws Problem `gate-not-found` */
export async function requireGate(catalog: D1Database, id: GateId): Promise<GateRecord> {
  const gate = await findGate(catalog, id);
  if (gate === undefined) throw new Problem("gate-not-found", `There is no gate ${id}.`, { gate: id });
  return gate;
}

/** Newest first. */
export async function listGates(
  catalog: D1Database,
  { limit, cursor, model, state }: GateQuery,
): Promise<Page<GateRecord>> {
  const conditions = new Conditions().before("seq", cursor).add("model = ?", model).add("state = ?", state);
  const { results } = await catalog
    .prepare(`SELECT * FROM gates WHERE ${conditions.text} ORDER BY seq DESC LIMIT ?`)
    .bind(...conditions.values, limit + 1)
    .all<Row>();
  return pageFromRows(results, limit, recordOf);
}

/** The gate that says most of a model: the one that let it out, or else the one that moved last. */
export async function gateOfModel(catalog: D1Database, model: ModelId): Promise<GateRecord | undefined> {
  const row = await catalog
    .prepare("SELECT * FROM gates WHERE model = ? ORDER BY updated_at DESC, seq DESC LIMIT 1")
    .bind(model)
    .first<Row>();
  return row === null ? undefined : recordOf(row);
}

/** Every gate of a model; the one that moved last comes last. */
export async function gatesOf(catalog: D1Database, model: ModelId): Promise<GateRecord[]> {
  const { results } = await catalog
    .prepare("SELECT * FROM gates WHERE model = ? ORDER BY updated_at, seq")
    .bind(model)
    .all<Row>();
  return results.map(recordOf);
}

/** A gate that the model passed, whichever. */
export async function findPassedGate(catalog: D1Database, model: ModelId): Promise<GateRecord | undefined> {
  const row = await catalog
    .prepare("SELECT * FROM gates WHERE model = ? AND state = 'passed' ORDER BY seq DESC LIMIT 1")
    .bind(model)
    .first<Row>();
  return row === null ? undefined : recordOf(row);
}

/** Condition with the model's id as its one parameter: a gate that would publish the model has not let it pass. */
const HELD = "EXISTS (SELECT 1 FROM gates WHERE model = ? AND release = 'public' AND state IN ('pending', 'refused'))";

/** Whether a model waits at a gate, or was refused by one, on its way to the public. */
export async function isHeld(catalog: D1Database, model: ModelId): Promise<boolean> {
  const row = await catalog.prepare(`SELECT ${HELD} AS held`).bind(model).first<{ held: number }>();
  return row?.held === 1;
}

/**
 * Has a model stay private that someone wants private, unless it is public: no gate publishes it, be it from before. A
 * gate that refused it publishes nothing anyway, and goes on keeping it from those who would publish it without one.
 */
export async function keepPrivate(catalog: D1Database, model: ModelId): Promise<void> {
  await catalog
    .prepare(
      `UPDATE gates SET release = 'private' WHERE model = ?1 AND state IN ('pending', 'passed')
         AND NOT EXISTS (SELECT 1 FROM models WHERE id = ?1 AND visibility = 'public'
           UNION ALL SELECT 1 FROM fusions WHERE id = ?1 AND visibility = 'public')`,
    )
    .bind(model)
    .run();
}

/**
 * Claims the next attempt at a pending gate: of several who want to start it or take it over, one does.
 * @returns whether this caller is the one
 */
export function claimGate(
  catalog: D1Database,
  { id, attempt }: Pick<GateRecord, "id" | "attempt">,
  at: string,
): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare(
        `UPDATE gates SET attempt = attempt + 1, updated_at = ?
         WHERE id = ? AND attempt = ? AND state = 'pending'`,
      )
      .bind(at, id, attempt),
  );
}

/** Shows that an attempt is alive. @returns false where it is not the current one any more, or there is a verdict */
export function touchGate(
  catalog: D1Database,
  { id, attempt }: Pick<GateRecord, "id" | "attempt">,
  at: string,
): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare("UPDATE gates SET updated_at = ? WHERE id = ? AND attempt = ? AND state = 'pending'")
      .bind(at, id, attempt),
  );
}

/** What a gate found. */
export interface Decision {
  readonly state: Exclude<GateState, "pending">;
  readonly probe: ProbeId | null;
  readonly measured: GateMeasures | null;
  readonly reasons: readonly string[];
  readonly decidedAt: string;
}

/** Records a verdict, unless there is one: the first one stays. */
export function deciding(catalog: D1Database, id: GateId, decision: Decision): D1PreparedStatement {
  const { state, probe, measured, reasons, decidedAt } = decision;
  return catalog
    .prepare(
      `UPDATE gates SET state = ?, probe = ?, measured = ?, reasons = ?, decided_at = ?, updated_at = ?
       WHERE id = ? AND state = 'pending'`,
    )
    .bind(
      state,
      probe,
      measured === null ? null : JSON.stringify(measured),
      JSON.stringify(reasons),
      decidedAt,
      decidedAt,
      id,
    );
}

function recordOf(row: Row): GateRecord {
  return {
    id: row.id as GateId,
    question: JSON.parse(row.question) as GateQuestion,
    state: row.state,
    release: row.release,
    attempt: row.attempt,
    probe: row.probe as ProbeId | null,
    measured: row.measured === null ? null : (JSON.parse(row.measured) as GateMeasures),
    reasons: JSON.parse(row.reasons) as string[],
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    decidedAt: row.decided_at,
  };
}
