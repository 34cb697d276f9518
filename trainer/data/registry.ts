import { Failure } from "../failure.ts";
import { didYouMean } from "../command-line/suggest.ts";
import { cifar10 } from "./cifar10.ts";
import { cifar100 } from "./cifar100.ts";
import type { Dataset, DatasetSource, DatasetSurroundings } from "./dataset.ts";
import { fashionMnist } from "./fashion-mnist.ts";
import { glyphs } from "./glyphs.ts";
import { mnist } from "./mnist.ts";
import { shards } from "./shard-folder.ts";

/** Every dataset by name. A new one is a file beside this and a line here. */
export const DATASETS = {
  glyphs,
  mnist,
  "fashion-mnist": fashionMnist,
  cifar10,
  cifar100,
  shards,
} as const satisfies Record<string, DatasetSource>;

export const DATASET_NAMES: readonly string[] = Object.keys(DATASETS);

/**
 * Loads a dataset by name.
 * @throws Failure `usage` for a name that is not registered; else as its source's `load`
 */
export async function loadDataset(name: string, surroundings: DatasetSurroundings): Promise<Dataset> {
  const sources: Readonly<Record<string, DatasetSource>> = DATASETS;
  const source = Object.hasOwn(sources, name) ? sources[name] : undefined;
  if (source === undefined) {
    throw new Failure(
      "usage",
      `There is no dataset ${JSON.stringify(name)}; there are ${DATASET_NAMES.join(", ")}.${didYouMean(name, DATASET_NAMES)}`,
    );
  }
  return source.load(surroundings);
}
