import { realpath, stat } from "node:fs/promises";
import type { CommandContext } from "../command-line/command.ts";
import { flag, optional, text, type ValueOption, wholeNumber } from "../command-line/options.ts";
import { didYouMean } from "../command-line/suggest.ts";
import { type Augmentation, checkAugmentation } from "../data/augmentation.ts";
import { cacheDirectory } from "../data/cache-directory.ts";
import type { Dataset } from "../data/dataset.ts";
import { parsePartition, type PartitionSpec } from "../data/partition-spec.ts";
import { DATASET_NAMES, loadDataset } from "../data/registry.ts";
import { Failure } from "../failure.ts";

/** The name of a dataset; a near miss is told what was meant. */
const datasetOption: ValueOption<string> = {
  kind: "value",
  placeholder: "NAME",
  help: `which dataset: ${DATASET_NAMES.join(", ")}`,
  fallback: "glyphs",
  parse(given) {
    if (DATASET_NAMES.includes(given)) return given;
    const suggestion = didYouMean(given, DATASET_NAMES).trim();
    throw new Error(`one of ${DATASET_NAMES.join(", ")}${suggestion === "" ? "" : ` (${suggestion})`}`);
  },
};

/** Options of every command that reads a dataset. */
export const DATASET_OPTIONS = {
  dataset: datasetOption,
  "data-dir": optional(
    text({
      help: "folder with the publisher's files, or with shards; without it files are downloaded and cached",
      placeholder: "DIR",
    }),
  ),
};

/** Options of commands that train on random changes of the images. */
export const AUGMENTATION_OPTIONS = {
  crop: wholeNumber(0, 1024, { help: "pixels of black padding to crop images out of at random", fallback: "0" }),
  flip: flag("mirror every second training image, at random"),
};

/** The option that divides the training samples among the members of a family. */
export const PARTITION_OPTIONS = {
  partition: optional<PartitionSpec>({
    kind: "value",
    placeholder: "SCHEME",
    help: "a part of the data for each member: iid, dirichlet:ALPHA or labels:COUNT (default: all data for all)",
    parse: parsePartition,
  }),
};

/** @throws Failure `usage` where the samples of the dataset cannot be changed so */
export function augmentationFromOptions(
  { crop, flip: mirror }: { readonly crop: number; readonly flip: boolean },
  { inputShape }: Pick<Dataset, "inputShape">,
): Augmentation {
  const augmentation = { crop, flip: mirror };
  checkAugmentation(augmentation, inputShape);
  return augmentation;
}

/** @throws Failure as {@link loadDataset} */
export async function loadFromOptions(
  values: { readonly dataset: string; readonly "data-dir": string | undefined },
  { environment, fetch, signal, terminal }: CommandContext,
): Promise<Dataset> {
  const directory = values["data-dir"];
  if (directory !== undefined) await requireDirectory(directory);
  return loadDataset(values.dataset, {
    directory,
    cacheDirectory: cacheDirectory(environment),
    fetch,
    signal,
    notify: (message) => terminal.note(message),
  });
}

async function requireDirectory(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  const where = await realpath(".");
  throw new Failure("bad-input", `--data-dir ${path} is not a folder (seen from ${where}).`);
}
