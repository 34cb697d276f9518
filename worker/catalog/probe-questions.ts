import type { ProblemDocument } from "../../shared/api/problem.ts";
import type { PlanePosition } from "../../shared/evaluation/plane-geometry.ts";
import type { ProbeId } from "../../shared/identity.ts";
import { hasChanged } from "./changes.ts";

/** A question that a Workflow answers, or could not answer. */
export interface KeptQuestion {
  /** As JSON has it. */
  readonly question: unknown;
  /** Counts the Workflow instances that were started for it. */
  readonly attempt: number;
  /** Of a plane: where its models lie, once that is known. */
  readonly positions: readonly PlanePosition[];
  /** Why it failed; null while it runs. */
  readonly problem: ProblemDocument | null;
  readonly createdAt: string;
  /** Its last sign of life. */
  readonly updatedAt: string;
}

interface Row {
  question: string;
  attempt: number;
  positions: string;
  problem: string | null;
  created_at: string;
  updated_at: string;
}

/** Keeps the question of a probe that is to be answered in the background. @returns false where it is kept already */
export function insertQuestion(catalog: D1Database, id: ProbeId, question: unknown, at: string): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare(
        `INSERT INTO probe_questions (id, question, attempt, positions, created_at, updated_at)
         VALUES (?1, ?2, 1, '[]', ?3, ?3) ON CONFLICT (id) DO NOTHING`,
      )
      .bind(id, JSON.stringify(question), at),
  );
}

/** @returns undefined where it is not kept: it was answered, or nobody asked */
export async function findQuestion(catalog: D1Database, id: ProbeId): Promise<KeptQuestion | undefined> {
  const row = await catalog.prepare("SELECT * FROM probe_questions WHERE id = ?").bind(id).first<Row>();
  if (row === null) return undefined;
  return {
    question: JSON.parse(row.question) as unknown,
    attempt: row.attempt,
    positions: JSON.parse(row.positions) as PlanePosition[],
    problem: row.problem === null ? null : (JSON.parse(row.problem) as ProblemDocument),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** Makes the next attempt the current one. @returns false where someone else has done so, or it is answered */
export function claimProbe(catalog: D1Database, id: ProbeId, attempt: number, at: string): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare(
        `UPDATE probe_questions SET attempt = attempt + 1, problem = NULL, updated_at = ? WHERE id = ? AND attempt = ?`,
      )
      .bind(at, id, attempt),
  );
}

/** Shows that an attempt is alive. @returns false where it is not the current one any more */
export function touchProbe(catalog: D1Database, id: ProbeId, attempt: number, at: string): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare("UPDATE probe_questions SET updated_at = ? WHERE id = ? AND attempt = ? AND problem IS NULL")
      .bind(at, id, attempt),
  );
}

export async function keepPositions(
  catalog: D1Database,
  id: ProbeId,
  positions: readonly PlanePosition[],
): Promise<void> {
  const statement = catalog.prepare("UPDATE probe_questions SET positions = ? WHERE id = ?");
  await statement.bind(JSON.stringify(positions), id).run();
}

/** Ends an attempt that failed, should it be the current one. What it has evaluated stays, for whoever asks again. */
export async function failProbe(
  catalog: D1Database,
  id: ProbeId,
  attempt: number,
  problem: ProblemDocument,
): Promise<void> {
  await catalog
    .prepare("UPDATE probe_questions SET problem = ? WHERE id = ? AND attempt = ?")
    .bind(JSON.stringify(problem), id, attempt)
    .run();
}
