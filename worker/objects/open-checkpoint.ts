import type { CompositeCheckpoint } from "../../shared/api/checkpoints.ts";
import { type FusionInput, readFusionInput } from "../../shared/fusion/index.ts";
import { readShardedInput } from "../../shared/fusion/sharded-source.ts";
import { type CheckpointId, digestOfValue } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { findCheckpoint, findComposite, requireCheckpoint } from "../catalog/checkpoints.ts";
import type { Environment } from "../environment.ts";
import { checkpointKey } from "./keys.ts";
import { ObjectSource } from "./source.ts";

type Bindings = Pick<Environment, "BUCKET" | "CATALOG">;

/** A checkpoint ready to be read, whether it is one object or several. */
export interface OpenCheckpoint {
  readonly input: FusionInput;
  readonly bytes: number;
  /** What it was called where it came from. */
  readonly name: string | null;
  /** Which version of each object is read from now on. */
  readonly etags: Readonly<Record<string, string>>;
}

/**
 * Opens a checkpoint and reads its header.
 * @param etags versions that must still be there
 * @throws Problem `checkpoint-not-found`, `input-changed`
 */
export async function openCheckpoint(
  bindings: Bindings,
  id: CheckpointId,
  etags: Readonly<Record<string, string>> = {},
): Promise<OpenCheckpoint> {
  const { bytes, name } = await requireCheckpoint(bindings.CATALOG, id);
  const composite = await findComposite(bindings.CATALOG, id);
  if (composite !== undefined) return { ...(await openComposite(bindings, id, composite, etags)), name };
  const source = new ObjectSource(bindings.BUCKET, checkpointKey(id), etags[id]);
  const input = await readFusionInput(id, source, bytes);
  return { input, bytes, name, etags: { [id]: source.etag ?? "" } };
}

/** The name of a sharded checkpoint: what it is made of. */
export function compositeId(composite: CompositeCheckpoint): CheckpointId {
  return digestOfValue(composite) as CheckpointId;
}

/**
 * Opens the shards of a checkpoint as one input.
 * @throws Problem `malformed-index`, `checkpoint-not-found` where a shard is not registered
 */
export async function openComposite(
  { BUCKET, CATALOG }: Bindings,
  id: CheckpointId,
  { index, shards }: CompositeCheckpoint,
  etags: Readonly<Record<string, string>> = {},
): Promise<Omit<OpenCheckpoint, "name">> {
  const sources: [CheckpointId, ObjectSource][] = [];
  const input = await readShardedInput(id, new TextEncoder().encode(JSON.stringify(index)), async (file) => {
    const shard = Object.hasOwn(shards, file) ? shards[file] : undefined;
    const summary = shard === undefined ? undefined : await findCheckpoint(CATALOG, shard);
    if (shard === undefined || summary === undefined) {
      throw new Problem(
        "checkpoint-not-found",
        `The index names ${file}; ${shard === undefined ? "no checkpoint is given for it" : `there is no checkpoint ${shard}`}.`,
        { file, checkpoint: shard ?? null },
      );
    }
    const source = new ObjectSource(BUCKET, checkpointKey(shard), etags[shard]);
    sources.push([shard, source]);
    return { source, size: summary.bytes };
  });
  return {
    input,
    bytes: input.header.fileLength,
    etags: Object.fromEntries(sources.map(([shard, source]) => [shard, source.etag ?? ""])),
  };
}
