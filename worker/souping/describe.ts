import type { SoupDescription } from "../../shared/api/soups.ts";
import { soupRecipe } from "../../shared/fusion/soup/index.ts";
import { countAnswers } from "../catalog/soup-evaluations.ts";
import type { SoupRecord } from "../catalog/soups.ts";

/** A soup as the API shows it. */
export async function describeSoup(catalog: D1Database, soup: SoupRecord): Promise<SoupDescription> {
  const { id, question, state, outcome, model, problem, createdAt } = soup;
  const { kind, candidates, shards, statistics, calibration } = question;
  return {
    id,
    kind,
    state,
    checkpoints: [...candidates],
    shards: [...shards],
    statistics,
    ...(calibration === undefined ? {} : { calibration }),
    recipe: outcome === null ? null : soupRecipe(id, outcome),
    model,
    accuracy: outcome?.measure.accuracy ?? null,
    loss: outcome?.measure.loss ?? null,
    trace: [...(outcome?.trace ?? [])],
    progress: { evaluations: await countAnswers(catalog, id) },
    problem,
    createdAt,
    links: {
      self: `/v1/soups/${id}`,
      fusion: model === null ? null : `/v1/fusions/${model}`,
      model: model === null ? null : `/models/${model}/model.safetensors`,
    },
  };
}
