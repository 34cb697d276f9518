import type { Visibility } from "../../shared/api/fusions.ts";
import type { FusionStatistics } from "../../shared/fusion/index.ts";
import { manifestOf } from "../../shared/fusion/manifest.ts";
import type { ModelId } from "../../shared/identity.ts";
import { findModel, insertModel, type ModelRecord } from "../catalog/models.ts";
import type { Environment } from "../environment.ts";
import { sha256Hex } from "../objects/digest.ts";
import { manifestKey, modelKey, statisticsKey } from "../objects/keys.ts";
import { putOnce } from "../objects/put-once.ts";

import type { PreparedFusion } from "./prepare.ts";
import { storeStatistics } from "./statistics.ts";
import type { StoredFusion } from "./store-fusion.ts";

export interface Publication extends StoredFusion {
  readonly id: ModelId;
  readonly prepared: PreparedFusion;
  readonly statistics: FusionStatistics | undefined;
  readonly partBytes: number;
  /** Where the catalog has no fusion that says it. */
  readonly visibility: Visibility;
  readonly path: "inline" | "lazy" | "workflow";
  readonly started: Date;
  readonly ended: Date;
  /** Of the Workflow; see `insertModel`. */
  readonly attempt?: number;
}

/**
 * Makes a stored object a published model: manifest, statistics, and last the catalog's row, which is what makes it exist.
 * @returns the model, whoever entered it; undefined where the attempt had been cancelled, or the lazy fusion deleted: then
 *   nothing remains
 */
export async function publishModel(
  { BUCKET, CATALOG }: Pick<Environment, "BUCKET" | "CATALOG">,
  publication: Publication,
): Promise<{ record: ModelRecord; isNew: boolean } | undefined> {
  const { id, prepared, statistics, sha256, dataSha256, started, ended, attempt } = publication;
  const { plan, files, selection } = prepared;
  try {
    const milliseconds = Math.max(0, ended.getTime() - started.getTime());
    const manifest = await storeManifest(
      BUCKET,
      manifestKey(id),
      JSON.stringify(manifestOf({ ...publication, plan, files, selection, createdAt: ended, milliseconds })),
    );
    if (statistics !== undefined) await storeStatistics(BUCKET, id, statistics);
    const record: ModelRecord = {
      id,
      recipe: plan.recipe,
      bytes: plan.layout.fileLength,
      sha256,
      dataOffset: plan.layout.dataOffset,
      dataSha256,
      manifestSha256: await sha256Hex(manifest),
      manifestBytes: manifest.length,
      verdict: null,
      visibility: publication.visibility,
      createdAt: ended.toISOString(),
    };
    if (await insertModel(CATALOG, record, publication.path === "lazy" ? "lazy" : attempt)) {
      return { record, isNew: true };
    }
    const first = await findModel(CATALOG, id);
    if (first !== undefined) return { record: first, isNew: false };
    await discardModel({ BUCKET, CATALOG }, id);
    return undefined;
  } catch (error) {
    // A Workflow's step runs again, and wants the object; should it give up, it clears away itself.
    if (attempt === undefined) await discardModel({ BUCKET, CATALOG }, id);
    throw error;
  }
}

/** An object without a row would never be served; one with a row, by whomever, must stay. */
export async function discardModel(
  { BUCKET, CATALOG }: Pick<Environment, "BUCKET" | "CATALOG">,
  id: ModelId,
): Promise<void> {
  if ((await findModel(CATALOG, id)) === undefined) {
    await BUCKET.delete([modelKey(id), manifestKey(id), statisticsKey(id)]);
  }
}

/** Stores a manifest, unless another isolate was first: then that one's is the model's. */
async function storeManifest(bucket: R2Bucket, key: string, text: string): Promise<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  if (await putOnce(bucket, key, bytes, "application/json")) return bytes;
  const first = await bucket.get(key);
  if (first === null) throw new Error(`${key} was there a moment ago`);
  return new Uint8Array(await first.arrayBuffer());
}
