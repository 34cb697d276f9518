import { describeProbe } from "../../shared/api/describe-probe.ts";
import type { ProbeDescription } from "../../shared/api/probes.ts";
import { type PlanePosition, planePositions } from "../../shared/evaluation/plane-geometry.ts";
import type { EvaluationSums } from "../../shared/evaluation/sums.ts";
import type { ShardId } from "../../shared/identity.ts";
import { listDone, listParts } from "../catalog/probe-parts.ts";
import { engineOf } from "../engine/engine.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { holdEndpoints, type PreparedEvaluation } from "./evaluation.ts";
import type { ResolvedQuestion } from "./question.ts";
import { RunningTotals } from "./running-totals.ts";

/** What of a question it takes to find what was kept of it. */
interface Kept extends Pick<ResolvedQuestion, "id" | "grid"> {
  readonly shards: readonly { readonly id: ShardId }[];
}

/** Shards whose sums are read at a time; those of a plane are thousands of numbers each. */
const PAGE = 16;

/**
 * What a Workflow has evaluated so far, over the shards that are done at every point.
 * @returns undefined totals where no shard is done
 */
export async function keptTotals(
  { CATALOG }: Pick<Environment, "CATALOG">,
  { id, grid, shards }: Kept,
): Promise<{ readonly shardsDone: readonly number[]; readonly totals: readonly EvaluationSums[] | undefined }> {
  const shardsDone = await shardsDoneOf({ CATALOG }, { id, grid, shards });
  const running = new RunningTotals();
  for (let at = 0; at < shardsDone.length; at += PAGE) {
    const page = shardsDone.slice(at, at + PAGE);
    const parts = await listParts(CATALOG, id, page[0] ?? 0, page.at(-1) ?? 0);
    for (const shard of page) {
      running.add(parts.filter((part) => part.shard === shard).flatMap(({ sums }) => sums));
    }
  }
  return { shardsDone, totals: running.totals };
}

/** Indices of the shards that were evaluated at every point, ascending. */
export async function shardsDoneOf(
  { CATALOG }: Pick<Environment, "CATALOG">,
  { id, grid, shards }: Kept,
): Promise<number[]> {
  const points = shards.map(() => 0);
  for (const part of await listDone(CATALOG, id)) points[part.shard] = (points[part.shard] ?? 0) + part.points;
  return [...shards.keys()].filter((shard) => points[shard] === grid.points.length);
}

/**
 * Where the three models of a plane lie; of other questions nothing. Running statistics are no place in the landscape.
 * @throws Problem `over-budget`; what loading an endpoint throws
 */
export async function positionsOf(
  environment: Environment,
  prepared: PreparedEvaluation,
): Promise<readonly PlanePosition[]> {
  if (prepared.grid.kind !== "plane") return [];
  const engine = await engineOf(limitsOf(environment).memoryBudgetBytes);
  return engine.turns.run(async () => {
    const { weights, release } = await holdEndpoints(engine, prepared);
    try {
      const [a, b, c] = weights;
      if (a === undefined || b === undefined || c === undefined) throw new Error("a plane has three models");
      return planePositions([a, b, c], prepared.cost.statisticNames);
    } finally {
      release();
    }
  });
}

/** The answer over the shards that are done. @param shards indices of those */
export function answerOver(
  { id, question, grid, shards }: Kept & Pick<ResolvedQuestion, "question">,
  totals: readonly EvaluationSums[],
  {
    positions,
    createdAt,
    done,
  }: {
    readonly positions: readonly PlanePosition[];
    readonly createdAt: string;
    readonly done?: readonly number[];
  },
): ProbeDescription {
  const evaluated = done === undefined ? shards : done.flatMap((index) => shards[index] ?? []);
  return describeProbe(
    { id, question, grid, shards: evaluated.map((shard) => shard.id), positions, createdAt },
    totals,
  );
}
