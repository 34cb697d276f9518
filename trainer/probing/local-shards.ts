import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { decodeValidationShard, type ValidationShard } from "../../shared/evaluation/shard.ts";
import { shardId, type ShardId } from "../../shared/identity.ts";
import { naturalOrder } from "../data/natural-order.ts";
import { readIfThere } from "../data/read-file.ts";
import { Failure } from "../failure.ts";
import { naming } from "./local-models.ts";

/** A shard of this machine, in memory. */
export interface LocalShard {
  readonly path: string;
  readonly id: ShardId;
  readonly shard: ValidationShard;
}

/**
 * The files that a line's shards are: of a folder all .safetensors files, in the natural order of their names.
 * @throws Failure `bad-input` where there is none
 */
export async function shardPaths(given: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of given) {
    const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
    if (!isFolder) {
      found.push(path);
      continue;
    }
    const names = (await readdir(path)).filter((name) => name.endsWith(".safetensors") && !name.startsWith("."));
    if (names.length === 0) throw new Failure("bad-input", `The folder ${path} has no .safetensors files.`);
    found.push(...names.sort(naturalOrder).map((name) => join(path, name)));
  }
  return found;
}

/** @throws Failure `bad-input` naming the file */
export async function readLocalShard(path: string): Promise<LocalShard> {
  const file = await readIfThere(path);
  if (file === undefined) throw new Failure("bad-input", `There is no shard ${path}.`);
  try {
    const id = shardId.parse(createHash("sha256").update(file).digest("hex"));
    return { path, id, shard: decodeValidationShard(file) };
  } catch (error) {
    throw naming(path, error);
  }
}
