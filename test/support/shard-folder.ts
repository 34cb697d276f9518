import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeShard } from "../../shared/evaluation/shard.ts";
import { tinyDataset } from "../trainer/training/tiny-dataset.ts";

/** Writes the tiny dataset for `--dataset shards --data-dir DIRECTORY`, which loads in no time. */
export async function writeShardFolder(directory: string): Promise<void> {
  const { train, validation } = tinyDataset();
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "train.safetensors"), encodeShard(train));
  await writeFile(join(directory, "validation.safetensors"), encodeShard(validation));
}
