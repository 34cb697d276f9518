import type { ParsedSoupRequest } from "../../shared/api/soups.ts";
import { type SoupCandidate, soupCandidate, soupIdOf } from "../../shared/fusion/soup/index.ts";
import { type CheckpointId, digestOfValue } from "../../shared/identity.ts";
import { FORM_KEYS } from "../../shared/models/form-keys.ts";
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

/** A candidate whose header is read. Plain JSON. */
export interface OpenCandidate extends SoupCandidate {
  /** Of the file. */
  readonly bytes: number;
  /** Equal where two are the same network in the same form: evaluating them takes the same work. */
  readonly reading: string;
}

/**
 * Candidates as a search takes them. Reads headers only.
 * @throws Problem `checkpoint-not-found`, `object-not-found`
 */
export async function openCandidates(
  bindings: Pick<Environment, "BUCKET" | "CATALOG">,
  ids: readonly CheckpointId[],
): Promise<readonly OpenCandidate[]> {
  const candidates: OpenCandidate[] = [];
  for (const id of ids) {
    const { header } = (await openCheckpoint(bindings, id)).input;
    const candidate = soupCandidate(id, header);
    const said = FORM_KEYS.map((key) => header.metadata[key] ?? null);
    candidates.push({ ...candidate, bytes: header.fileLength, reading: digestOfValue([candidate.form, ...said]) });
  }
  return candidates;
}
