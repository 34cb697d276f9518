import type { Visibility } from "../../shared/api/fusions.ts";
import { emptyObservations, fuseRange } from "../../shared/fusion/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { findModel, type ModelRecord } from "../catalog/models.ts";
import { engineOf } from "../engine/engine.ts";
import { KeyedTurns } from "../engine/turns.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { modelKey } from "../objects/keys.ts";
import { partBytesOf } from "./part-layout.ts";
import type { PreparedFusion } from "./prepare.ts";
import { discardModel, publishModel } from "./publish.ts";
import { statisticsOf } from "./statistics.ts";
import { storeFusion } from "./store-fusion.ts";

export interface Materialized {
  readonly record: ModelRecord;
  readonly isNew: boolean;
}

/**
 * The same model asked for twice at once is made once: R2 takes one write a second for a key. Across isolates it may be
 * made twice, which gives the same bytes; the first manifest and the first row stay.
 */
const making = new KeyedTurns<ModelId>(30_000);

/**
 * Makes a model within the request, unless it exists.
 * @param id of the recipe that was prepared
 * @throws Problem all that fusing throws; `over-budget`. Nothing is stored then.
 */
export function materializeModel(
  environment: Environment,
  id: ModelId,
  prepared: PreparedFusion,
  visibility: Visibility,
  now: () => Date,
): Promise<Materialized> {
  return making.run(id, async () => {
    const finished = await findModel(environment.CATALOG, id);
    return finished === undefined
      ? make(environment, id, prepared, visibility, now)
      : { record: finished, isNew: false };
  });
}

async function make(
  environment: Environment,
  id: ModelId,
  prepared: PreparedFusion,
  visibility: Visibility,
  now: () => Date,
): Promise<Materialized> {
  const { BUCKET } = environment;
  const { plan } = prepared;
  const started = now();
  const engine = await engineOf(limitsOf(environment).memoryBudgetBytes);
  const statistics = (await statisticsOf(BUCKET, id, plan, engine))?.statistics;
  const partBytes = partBytesOf(plan.layout.fileLength);
  const observations = emptyObservations(plan);
  const chunks = fuseRange(plan, engine, { observations, ...(statistics === undefined ? {} : { statistics }) });
  const discard = () => discardModel(environment, id);
  const stored = await storeFusion(BUCKET, modelKey(id), { plan, chunks, observations, partBytes, discard });
  const published = await publishModel(environment, {
    ...stored,
    id,
    prepared,
    statistics,
    partBytes,
    visibility,
    path: "inline",
    started,
    ended: now(),
  });
  if (published === undefined) throw new Error("a model without an attempt cannot be cancelled");
  return published;
}
