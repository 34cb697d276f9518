import type { ShardDescription } from "../../shared/api/datasets.ts";
import type { EvaluationForm } from "../../shared/api/evaluation-form.ts";
import type { ProbeQuestion } from "../../shared/api/probes.ts";
import { gridOf, modelsIn, probeIdOf } from "../../shared/evaluation/question.ts";
import type { ProbeId } from "../../shared/identity.ts";
import { requireDataset } from "../catalog/datasets.ts";
import { findShards } from "../catalog/shards.ts";
import { type Endpoint, findEndpoint } from "./endpoints.ts";
import type { Evaluation } from "./evaluate-models.ts";

/** A question in which every name is resolved: it can only ever have one answer. */
export interface ResolvedQuestion extends Evaluation {
  readonly id: ProbeId;
  /** The same in words, with shards instead of a dataset; asking it again leads here. */
  readonly question: ProbeQuestion;
}

/**
 * Looks up what a question names. The batch size changes no result, so it is not part of the id.
 * @throws Problem `checkpoint-not-found`, `model-not-found`, `dataset-not-found`, `shard-not-found`
 */
export async function resolveQuestion(catalog: D1Database, asked: ProbeQuestion): Promise<ResolvedQuestion> {
  const known = new Map<string, Endpoint>();
  for (const id of modelsIn(asked)) if (!known.has(id)) known.set(id, await findEndpoint(catalog, id));
  const endpoints = modelsIn(asked).flatMap((id) => known.get(id) ?? []);
  const ids =
    asked.dataset === undefined
      ? (asked.shards ?? [])
      : (await requireDataset(catalog, asked.dataset, asked.version)).shards;
  const { calibration, as, batch } = asked;
  const found = await findShards(catalog, [...new Set([...ids, ...(calibration === undefined ? [] : [calibration])])]);
  const shardOf = new Map<string, ShardDescription>(found.map((shard) => [shard.id, shard]));
  const grid = gridOf(asked);
  const { dataset: _dataset, version: _version, ...rest } = asked;
  return {
    id: probeIdOf(asked, ids),
    question: { ...rest, shards: [...ids] },
    endpoints,
    grid,
    shards: ids.flatMap((id) => shardOf.get(id) ?? []),
    statistics: asked.statistics,
    ...partsOf({ calibration: calibration === undefined ? undefined : shardOf.get(calibration), form: as, batch }),
  };
}

/** Members that are there. */
function partsOf(parts: {
  calibration: ShardDescription | undefined;
  form: EvaluationForm | undefined;
  batch: number | undefined;
}): Pick<Evaluation, "calibration" | "form" | "batch"> {
  const { calibration, form, batch } = parts;
  return {
    ...(calibration === undefined ? {} : { calibration }),
    ...(form === undefined ? {} : { form }),
    ...(batch === undefined ? {} : { batch }),
  };
}
