import type { ProbeQuestion } from "../api/probes.ts";
import { digestOfValue, type ProbeId, type ShardId } from "../identity.ts";
import { alphaGrid, type Grid, meanGrid, pathGrid, planeGrid } from "./grids.ts";

/** The ids of the models that a question is about, in its order. */
export function modelsIn(question: ProbeQuestion): readonly string[] {
  return question.kind === "path" ? [question.a, question.b] : question.models;
}

/** Where a question looks. */
export function gridOf(question: ProbeQuestion): Grid {
  switch (question.kind) {
    case "path":
      return pathGrid(question.alphas ?? alphaGrid(question.points));
    case "mean":
      return meanGrid(question.models.length, question.pairwise ? question.pairPoints : 0);
    case "plane":
      return planeGrid(question.resolution, question.margin);
    default:
      return question satisfies never;
  }
}

/**
 * The name of a question: SHA-256 of the canonical JSON of what its answer depends on, and nothing else. The name of a
 * dataset may come to mean another version, and the size of a batch changes nothing.
 * @param shards that are evaluated, in their order
 */
export function probeIdOf(question: ProbeQuestion, shards: readonly ShardId[]): ProbeId {
  return digestOfValue(identityOf(question, gridOf(question), shards)) as ProbeId;
}

function identityOf(question: ProbeQuestion, grid: Grid, shards: readonly ShardId[]): Record<string, unknown> {
  const { kind, statistics, calibration, as } = question;
  const where: Record<string, unknown> =
    grid.kind === "path"
      ? { alphas: grid.alphas }
      : question.kind === "plane"
        ? { resolution: question.resolution, margin: question.margin }
        : { inner: question.kind === "mean" && question.pairwise ? question.pairPoints : 0 };
  return {
    kind,
    models: modelsIn(question),
    ...where,
    shards,
    statistics,
    ...(calibration === undefined ? {} : { calibration }),
    ...(as === undefined || Object.keys(as).length === 0 ? {} : { as }),
  };
}
