import type { ShardDescription } from "../../shared/api/datasets.ts";
import { decodeValidationShard } from "../../shared/evaluation/shard.ts";
import type { ShardId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { beingDeleted } from "../catalog/checkpoints.ts";
import { findShard, forgetShard, insertShard } from "../catalog/shards.ts";
import { discardUnknown } from "../deleting/delete.ts";
import { isolateBudget } from "../engine/budget.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { shardKey } from "../objects/keys.ts";
import { isBeingDeleted, type Registered } from "./checkpoints.ts";

/**
 * Largest shard. A probe holds one shard at a time beside two models, and labels can only be checked with the data at
 * hand; more data goes into more shards, which changes no result.
 */
export const MAX_SHARD_BYTES = 16 * 2 ** 20;

/** Checks a shard, stores it unless the bucket has it, and enters it into the catalog. */
export async function enterShard(
  bindings: Pick<Environment, "BUCKET" | "CATALOG">,
  file: Uint8Array<ArrayBuffer>,
  sha256: string,
  at: Date,
): Promise<Registered<ShardDescription>> {
  const { BUCKET, CATALOG } = bindings;
  const { count, inputShape } = decodeValidationShard(file);
  const id = sha256 as ShardId;
  const key = shardKey(id);
  const shard: ShardDescription = {
    id,
    bytes: file.length,
    samples: count,
    inputShape: [...inputShape],
    createdAt: at.toISOString(),
  };
  const isStored = (await BUCKET.head(key)) !== null;
  try {
    if (!isStored) await BUCKET.put(key, file, { sha256 });
    const isNew = await insertShard(CATALOG, shard);
    // Someone may have deleted the object between the time it was seen and the time it was entered.
    if ((await BUCKET.head(key)) === null) {
      await forgetShard(CATALOG, id);
      throw beingDeleted(id);
    }
    return { body: isNew ? shard : await requireShard(CATALOG, id), isNew };
  } catch (error) {
    if (!isStored && !isBeingDeleted(error)) await discardUnknown(bindings, { table: "shards", id, key, at });
    throw error;
  }
}

/** Books the memory that checking a shard takes: the chunks or the file, the file in one piece, and its decoded copy. */
export async function withShardMemory<Result>(
  environment: Environment,
  bytes: number,
  work: () => Promise<Result>,
): Promise<Result> {
  const lease = isolateBudget(limitsOf(environment).memoryBudgetBytes).take(3 * bytes);
  try {
    return await work();
  } finally {
    lease.release();
  }
}

/** @throws Problem `shard-not-found` */
export async function requireShard(catalog: D1Database, id: ShardId): Promise<ShardDescription> {
  const shard = await findShard(catalog, id);
  if (shard === undefined) throw new Problem("shard-not-found", `There is no shard ${id}.`, { shard: id });
  return shard;
}
