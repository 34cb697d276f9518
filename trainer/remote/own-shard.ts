import { createHash } from "node:crypto";
import { basename } from "node:path";
import { readFusionInput, RECIPE_KEY } from "../../shared/fusion/index.ts";
import type { CheckpointId, ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import type { ShardIndex } from "../../shared/safetensors/index.ts";
import { openFile } from "../fusing/file-source.ts";

/** A header is read without knowing whose it is. */
const STAND_IN = "0".repeat(64) as CheckpointId;

/**
 * Whether a file says of itself that it is the shard of this model that its name says. Shards of other models of a family
 * have the same names, lengths and tensors, but every shard carries the recipe, whose digest is the model's id. Its data
 * is not looked at: a download gets its name only once it is whole.
 * @param path the file's name is that of the shard
 * @throws file errors
 */
export async function isOwnShard(id: ModelId, index: ShardIndex, path: string): Promise<boolean> {
  const file = await openFile(path);
  try {
    const { header } = await readFusionInput(STAND_IN, file, file.bytes);
    const recipe = createHash("sha256").update(header.metadata[RECIPE_KEY] ?? "");
    const isPlaced = header.tensors.every(({ name }) => index.fileOf.get(name) === basename(path));
    return isPlaced && recipe.digest("hex") === id;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  } finally {
    await file.close();
  }
}
