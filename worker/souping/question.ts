import type { ParsedSoupRequest } from "../../shared/api/soups.ts";
import { type SoupCandidate, soupCandidate, soupIdOf } from "../../shared/fusion/soup/index.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import { requireCheckpoint } from "../catalog/checkpoints.ts";
import { requireDataset } from "../catalog/datasets.ts";
import { findShards } from "../catalog/shards.ts";
import type { SoupRecord } from "../catalog/soups.ts";
import type { Environment } from "../environment.ts";
import { openCheckpoint } from "../objects/open-checkpoint.ts";

/**
 * Looks up what a request for a soup names. Its id covers candidates, data, kind and the way of evaluating.
 * @throws Problem `checkpoint-not-found`, `dataset-not-found`, `shard-not-found`
 */
export async function resolveSoup(
  catalog: D1Database,
  { kind, checkpoints, dataset, version, statistics, calibration, as }: ParsedSoupRequest,
): Promise<Pick<SoupRecord, "id" | "question">> {
  for (const id of checkpoints) await requireCheckpoint(catalog, id);
  const { shards } = await requireDataset(catalog, dataset, version);
  if (calibration !== undefined) await findShards(catalog, [calibration]);
  const question = {
    kind,
    candidates: checkpoints.toSorted(),
    shards,
    statistics,
    ...(calibration === undefined ? {} : { calibration }),
    ...(as === undefined ? {} : { as }),
  };
  return { id: soupIdOf(question), question };
}

/**
 * Candidates as a search takes them. Reads headers only.
 * @throws Problem `checkpoint-not-found`
 */
export async function candidatesOf(
  bindings: Pick<Environment, "BUCKET" | "CATALOG">,
  ids: readonly CheckpointId[],
): Promise<readonly SoupCandidate[]> {
  const candidates: SoupCandidate[] = [];
  for (const id of ids) {
    candidates.push(soupCandidate(id, (await openCheckpoint(bindings, id)).input.header));
  }
  return candidates;
}
