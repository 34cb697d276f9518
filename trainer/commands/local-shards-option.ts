import { createHash } from "node:crypto";
import { decodeValidationShard } from "../../shared/evaluation/shard.ts";
import { shardId } from "../../shared/identity.ts";
import type { CommandContext } from "../command-line/command.ts";
import { parseGiven } from "../command-line/options.ts";
import { shardFiles } from "../data/slice-shards.ts";
import type { EvaluationValues } from "../probing/evaluation-values.ts";
import { type LocalShard, readLocalShard, shardPaths } from "../probing/local-shards.ts";
import { DATASET_OPTIONS, loadFromOptions } from "./dataset-options.ts";

/** As many samples a shard as `edgefuse shard` cuts, so that the shards are the same. */
const SHARD_SIZE = 1000;

/**
 * The shards that a line's models are evaluated on: files, or the validation split of a dataset.
 * @throws Failure
 */
export async function localShards(
  { shards, dataset, "data-dir": directory }: Pick<EvaluationValues, "shards" | "dataset" | "data-dir">,
  context: CommandContext,
): Promise<LocalShard[]> {
  if (dataset === undefined) {
    const found: LocalShard[] = [];
    for (const path of await shardPaths(shards)) found.push(await readLocalShard(path));
    return found;
  }
  const name = parseGiven("dataset", DATASET_OPTIONS.dataset, dataset);
  const { validation } = await loadFromOptions({ dataset: name, "data-dir": directory }, context);
  return Array.from(shardFiles(validation, SHARD_SIZE), ({ file }) => ({
    path: name,
    id: shardId.parse(createHash("sha256").update(file).digest("hex")),
    shard: decodeValidationShard(file),
  }));
}
