import {
  type FusionEngine,
  type FusionPlan,
  type FusionStatistics,
  gatherStatistics,
  needsStatistics,
} from "../../shared/fusion/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { statisticsKey } from "../objects/keys.ts";
import { putOnce } from "../objects/put-once.ts";

/** What computing a plan's bytes takes besides the plan, where it was found out before; undefined where it was not. */
export async function findStatistics(bucket: R2Bucket, id: ModelId): Promise<FusionStatistics | undefined> {
  const object = await bucket.get(statisticsKey(id));
  return object === null ? undefined : await object.json<FusionStatistics>();
}

export async function storeStatistics(bucket: R2Bucket, id: ModelId, statistics: FusionStatistics): Promise<void> {
  await putOnce(bucket, statisticsKey(id), JSON.stringify(statistics), "application/json");
}

/**
 * The statistics of a plan: stored ones, or gathered now.
 * @returns undefined where the method needs none
 */
export async function statisticsOf(
  bucket: R2Bucket,
  id: ModelId,
  plan: FusionPlan,
  engine: FusionEngine,
): Promise<{ readonly statistics: FusionStatistics; readonly isStored: boolean } | undefined> {
  if (!needsStatistics(plan)) return undefined;
  const stored = await findStatistics(bucket, id);
  if (stored !== undefined) return { statistics: stored, isStored: true };
  return { statistics: await gatherStatistics(plan, engine), isStored: false };
}
