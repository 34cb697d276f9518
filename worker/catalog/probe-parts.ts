import type { ClassSums, EvaluationSums } from "../../shared/evaluation/sums.ts";
import type { ProbeId } from "../../shared/identity.ts";

/** Sums of a run of the grid's points over one shard. */
export interface ProbePart {
  /** Index into the question's shards. */
  readonly shard: number;
  /** Index of the first point. */
  readonly first: number;
  readonly sums: readonly EvaluationSums[];
}

interface Row {
  shard: number;
  first: number;
  points: number;
  sums: string;
}

/**
 * Sums without their names, since a plane has thousands: of a classification [lossSum, correct, count, correct by class,
 * correctWith], with the counts by class once, as they are the samples' alone; of a regression [squaredErrorSum, count].
 */
type Packed =
  | {
      readonly task: "classification";
      readonly counts: readonly number[];
      readonly points: readonly (readonly [number, number, number, readonly number[], readonly number[]])[];
    }
  | { readonly task: "regression"; readonly points: readonly (readonly [number, number])[] };

function pack(sums: readonly EvaluationSums[]): Packed {
  const classified = sums.filter((one) => one.task === "classification");
  if (classified.length === 0) {
    const points = sums.flatMap((one) =>
      one.task === "regression" ? [[one.squaredErrorSum, one.count] as const] : [],
    );
    return { task: "regression", points };
  }
  return {
    task: "classification",
    counts: classified[0]?.classes.map(({ count }) => count) ?? [],
    points: classified.map(({ lossSum, correct, count, classes, correctWith }) => [
      lossSum,
      correct,
      count,
      classes.map((one) => one.correct),
      correctWith,
    ]),
  };
}

function unpack(packed: Packed): EvaluationSums[] {
  if (packed.task === "regression") {
    return packed.points.map(([squaredErrorSum, count]) => ({ task: packed.task, squaredErrorSum, count }));
  }
  const { task, counts } = packed;
  const classesOf = (right: readonly number[]): ClassSums[] =>
    right.map((correct, index) => ({ correct, count: counts[index] ?? 0 }));
  return packed.points.map(([lossSum, correct, count, right, correctWith]) => ({
    task,
    lossSum,
    correct,
    count,
    classes: classesOf(right),
    correctWith,
  }));
}

/** Keeps what was evaluated, all of it or nothing, of a question that is not answered yet; what is kept already stays. */
export async function insertParts(
  catalog: D1Database,
  id: ProbeId,
  parts: readonly ProbePart[],
  at: string,
): Promise<void> {
  await catalog.batch(
    parts.map(({ shard, first, sums }) =>
      catalog
        .prepare(
          `INSERT INTO probe_parts (probe, shard, first, points, sums, created_at)
           SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM probe_questions WHERE id = ?1)
           ON CONFLICT (probe, shard, first) DO NOTHING`,
        )
        .bind(id, shard, first, sums.length, JSON.stringify(pack(sums)), at),
    ),
  );
}

/** What was evaluated of a run of shards, ends included; by shard, then point. */
export async function listParts(catalog: D1Database, id: ProbeId, first: number, last: number): Promise<ProbePart[]> {
  const { results } = await catalog
    .prepare(
      `SELECT shard, first, points, sums FROM probe_parts
       WHERE probe = ? AND shard BETWEEN ? AND ? ORDER BY shard, first`,
    )
    .bind(id, first, last)
    .all<Row>();
  return results.map((part) => ({
    shard: part.shard,
    first: part.first,
    sums: unpack(JSON.parse(part.sums) as Packed),
  }));
}

/** A part without its sums. */
export interface DonePart {
  readonly shard: number;
  readonly first: number;
  readonly points: number;
}

/** Which points of which shards were evaluated. */
export async function listDone(catalog: D1Database, id: ProbeId): Promise<readonly DonePart[]> {
  const { results } = await catalog
    .prepare("SELECT shard, first, points FROM probe_parts WHERE probe = ? ORDER BY shard, first")
    .bind(id)
    .all<DonePart>();
  return results;
}

/** Statements that forget what a probe's Workflow keeps on its way. */
export function forgetting(catalog: D1Database, id: ProbeId): D1PreparedStatement[] {
  return ["DELETE FROM probe_parts WHERE probe = ?", "DELETE FROM probe_questions WHERE id = ?"].map((statement) =>
    catalog.prepare(statement).bind(id),
  );
}

/** Forgets a probe that is being answered: its Workflow finds itself superseded. @returns false where there was none */
export async function forgetProgress(catalog: D1Database, id: ProbeId): Promise<boolean> {
  const results = await catalog.batch(forgetting(catalog, id));
  return results.some(({ meta }) => meta.changes > 0);
}

/** Forgets what was evaluated. */
export async function forgetParts(catalog: D1Database, id: ProbeId): Promise<void> {
  await catalog.prepare("DELETE FROM probe_parts WHERE probe = ?").bind(id).run();
}

/** Forgets what nobody came back for. @param before RFC 3339 */
export async function forgetOldProgress(catalog: D1Database, before: string): Promise<void> {
  await catalog.batch([
    catalog
      .prepare("DELETE FROM probe_parts WHERE probe IN (SELECT id FROM probe_questions WHERE updated_at < ?)")
      .bind(before),
    catalog.prepare("DELETE FROM probe_questions WHERE updated_at < ?").bind(before),
  ]);
}
