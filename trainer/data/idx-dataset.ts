import { join } from "node:path";
import type { Shard } from "../../shared/evaluation/shard.ts";
import { Failure } from "../failure.ts";
import type { Dataset, DatasetSource, DatasetSurroundings, SplitName } from "./dataset.ts";
import { downloadFile, type PublishedFile } from "./download.ts";
import { parseIdx } from "./idx.ts";
import { readIfThere } from "./read-file.ts";

/** A dataset that its publisher offers as IDX files. */
export interface IdxDescription {
  readonly name: string;
  readonly summary: string;
  readonly classes: number;
  /** Mean and deviation of the pixels as fractions of 255. */
  readonly mean: number;
  readonly deviation: number;
  /** Folders that hold the files, tried in order; each ends in a slash. */
  readonly mirrors: readonly string[];
  readonly files: Readonly<Record<SplitName, { readonly images: PublishedFile; readonly labels: PublishedFile }>>;
}

/** A source for the registry from the description of a dataset in IDX files. */
export function idxDataset(description: IdxDescription): DatasetSource {
  return {
    summary: description.summary,
    load: async (surroundings): Promise<Dataset> => {
      const train = await loadSplit(description, "train", surroundings);
      const validation = await loadSplit(description, "validation", surroundings);
      if (train.inputShape.join() !== validation.inputShape.join()) {
        throw new Failure(
          "bad-input",
          `${description.name}: training images are [${train.inputShape}], validation images [${validation.inputShape}].`,
        );
      }
      const { name, classes } = description;
      return { name, inputShape: train.inputShape, classes, train, validation };
    },
  };
}

async function loadSplit(
  description: IdxDescription,
  split: SplitName,
  surroundings: DatasetSurroundings,
): Promise<Shard> {
  const { images, labels } = description.files[split];
  const imageFile = parseIdx(await obtain(description, images, surroundings), images.name, 3);
  const labelFile = parseIdx(await obtain(description, labels, surroundings), labels.name, 1);
  const [count = 0, height = 0, width = 0] = imageFile.shape;
  if (labelFile.data.length !== count) {
    throw new Failure(
      "bad-input",
      `${labels.name} has ${labelFile.data.length} labels for the ${count} images of ${images.name}; they belong to different sets.`,
    );
  }
  const beyond = labelFile.data.findIndex((label) => label >= description.classes);
  if (beyond !== -1) {
    throw new Failure(
      "bad-input",
      `${labels.name}: label ${beyond} is ${labelFile.data[beyond]}; ${description.name} has the classes 0 to ${description.classes - 1}.`,
    );
  }
  return {
    count,
    inputShape: [height, width, 1],
    x: imageFile.data.slice(),
    y: Int32Array.from(labelFile.data),
    scale: 1 / (255 * description.deviation),
    offset: -description.mean / description.deviation,
  };
}

/** From the given folder, with or without `.gz`, whatever its checksum (subsets are welcome); else from the publisher. */
async function obtain(
  { name, mirrors }: IdxDescription,
  file: PublishedFile,
  surroundings: DatasetSurroundings,
): Promise<Uint8Array<ArrayBuffer>> {
  const { directory, cacheDirectory, fetch, signal, notify } = surroundings;
  if (directory === undefined) {
    const folder = join(cacheDirectory, name);
    return downloadFile({ file, mirrors, directory: folder, fetch, signal, notify });
  }
  for (const candidate of [file.name, file.name.replace(/\.gz$/, "")]) {
    const bytes = await readIfThere(join(directory, candidate));
    if (bytes !== undefined) return bytes;
  }
  throw new Failure(
    "bad-input",
    `${directory} has no ${file.name}; --data-dir is the folder with the publisher's files.`,
  );
}
