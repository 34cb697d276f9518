import {
  type FusionPlan,
  type FusionStatistics,
  gatherStatistics,
  mergeStatistics,
} from "../../shared/fusion/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { engineOf } from "../engine/engine.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { stagingKey } from "../objects/keys.ts";
import { storeStatistics } from "./statistics.ts";

/** Output bytes whose statistics one step gathers, at the least. */
const RANGE_BYTES = 256 * 2 ** 20;
const MOST_RANGES = 256;

const scratchPrefix = (id: ModelId) => stagingKey(`${id}/statistics-`);
const scratchKey = (id: ModelId, index: number) => `${scratchPrefix(id)}${String(index).padStart(3, "0")}.json`;

/** Cuts a model into ranges, one for each step; what is found out about them is put together afterwards. */
export function statisticsRanges(fileLength: number): { begin: number; end: number }[] {
  const bytes = Math.max(RANGE_BYTES, Math.ceil(fileLength / MOST_RANGES));
  return Array.from({ length: Math.ceil(fileLength / bytes) }, (_, index) => ({
    begin: index * bytes,
    end: Math.min(fileLength, (index + 1) * bytes),
  }));
}

/** Gathers the statistics of one range and leaves them in the bucket: a step's result must be small. */
export async function gatherRange(
  environment: Environment,
  { id, plan, index, onProgress }: { id: ModelId; plan: FusionPlan; index: number; onProgress(): void },
): Promise<void> {
  const { BUCKET } = environment;
  const key = scratchKey(id, index);
  if ((await BUCKET.head(key)) !== null) return;
  const range = statisticsRanges(plan.layout.fileLength)[index];
  const engine = await engineOf(limitsOf(environment).memoryBudgetBytes);
  await BUCKET.put(key, JSON.stringify(await gatherStatistics(plan, engine, { ...range, onProgress })));
}

/** Puts the ranges' statistics together and keeps them with the model. */
export async function mergeRanges({ BUCKET }: Environment, id: ModelId, count: number): Promise<void> {
  const parts: FusionStatistics[] = [];
  for (let index = 0; index < count; index++) {
    const object = await BUCKET.get(scratchKey(id, index));
    if (object === null) throw new Error(`${scratchKey(id, index)} was there a moment ago`);
    parts.push(await object.json<FusionStatistics>());
  }
  await storeStatistics(BUCKET, id, mergeStatistics(parts));
  await discardScratch(BUCKET, id);
}

export async function discardScratch(bucket: R2Bucket, id: ModelId): Promise<void> {
  const { objects } = await bucket.list({ prefix: scratchPrefix(id) });
  if (objects.length > 0) await bucket.delete(objects.map(({ key }) => key));
}
