import type { Grid } from "../evaluation/grids.ts";
import type { PlanePosition } from "../evaluation/plane-geometry.ts";
import { modelsIn } from "../evaluation/question.ts";
import { reportGrid } from "../evaluation/reports.ts";
import type { EvaluationSums } from "../evaluation/sums.ts";
import type { ProbeId, ShardId } from "../identity.ts";
import type { ProbeDescription, ProbeQuestion } from "./probes.ts";

/** A question and what is known of it besides the evaluation. */
export interface AnsweredQuestion {
  readonly id: ProbeId;
  readonly question: ProbeQuestion;
  readonly grid: Grid;
  /** In the order of evaluation. */
  readonly shards: readonly ShardId[];
  /** Of a plane: where its three models lie. */
  readonly positions?: readonly PlanePosition[];
  /** RFC 3339. */
  readonly createdAt: string;
}

/**
 * The answer to a question, as the API gives it.
 * @param totals sums of every point of the grid, over all shards or over those that are done
 */
export function describeProbe(
  { id, question, grid, shards, positions = [], createdAt }: AnsweredQuestion,
  totals: readonly EvaluationSums[],
): ProbeDescription {
  const { statistics, calibration, as } = question;
  const about = {
    id,
    shards: [...shards],
    statistics,
    ...(calibration === undefined ? {} : { calibration }),
    ...(as === undefined || Object.keys(as).length === 0 ? {} : { as }),
    createdAt,
  };
  const report = reportGrid(grid, totals);
  const [a = "", b = ""] = modelsIn(question);
  const models = [...modelsIn(question)];
  switch (report.kind) {
    case "path":
      return { ...report, ...about, a, b };
    case "mean":
      return { ...report, ...about, models };
    case "plane":
      return { ...report, ...about, models, positions: positions.map(({ x, y }) => ({ x, y })) };
    case "matrix":
      throw new RangeError("no question asks for pairs without their mean");
    default:
      return report satisfies never;
  }
}
