import { join } from "node:path";
import type { Shard } from "../../shared/evaluation/shard.ts";
import { Failure } from "../failure.ts";
import { exists } from "../storage/atomic-file.ts";
import { CIFAR_SIDE, type CifarRecord, countCifarRecords, parseCifar } from "./cifar.ts";
import type { Dataset, DatasetSource, DatasetSurroundings, SplitName } from "./dataset.ts";
import { downloadFile, type PublishedFile } from "./download.ts";
import { readIfThere } from "./read-file.ts";
import { readTarball } from "./tar.ts";

/** A dataset in the format of CIFAR's binary version. */
export interface CifarDescription {
  readonly name: string;
  readonly summary: string;
  readonly classes: number;
  readonly record: CifarRecord;
  /** The publisher's archive. */
  readonly archive: PublishedFile;
  /** The folder that the archive unpacks to. */
  readonly folder: string;
  /** Files of each split, in order. In --data-dir one of each split is enough. */
  readonly files: Readonly<Record<SplitName, readonly string[]>>;
}

/** Where the publisher offers the archives; the second is what the first redirects to. */
const MIRRORS = ["https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"];

/** (pixel / 255 - 0.5) / 0.5 for every channel: the transform of the paper's authors' code. */
const SCALE = 2 / 255;
const OFFSET = -1;

/** The files of an archive or a folder, by name. */
type Finder = (name: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;

/** A source for the registry from the description of a dataset in CIFAR binary files. */
export function cifarDataset(description: CifarDescription): DatasetSource {
  return {
    summary: description.summary,
    load: async (surroundings): Promise<Dataset> => {
      const { find, where } = await openFiles(description, surroundings);
      const { name, classes } = description;
      const train = await loadSplit(description, "train", find, where);
      surroundings.signal?.throwIfAborted();
      const validation = await loadSplit(description, "validation", find, where);
      return { name, inputShape: train.inputShape, classes, train, validation };
    },
  };
}

/**
 * From the given folder (the .bin files in it, or in the folder of the archive, or the archive itself) whatever the
 * checksums, since subsets are welcome; else the publisher's archive from the cache or the network.
 */
async function openFiles(
  { name, archive, folder, files }: CifarDescription,
  { directory, cacheDirectory, fetch, signal, notify }: DatasetSurroundings,
): Promise<{ readonly find: Finder; readonly where: string }> {
  if (directory === undefined) {
    const cache = join(cacheDirectory, name);
    const bytes = await downloadFile({ file: archive, mirrors: MIRRORS, directory: cache, fetch, signal, notify });
    return fromTarball(bytes, archive.name);
  }
  for (const candidate of [directory, join(directory, folder)]) {
    const there = await Promise.all(files.train.map((file) => exists(join(candidate, file))));
    if (there.includes(true)) return { find: (file) => readIfThere(join(candidate, file)), where: candidate };
  }
  const path = join(directory, archive.name);
  const packed = await readIfThere(path);
  if (packed !== undefined) return fromTarball(packed, path);
  throw new Failure(
    "bad-input",
    `${directory} has neither ${files.train[0]} nor ${archive.name}; --data-dir is the folder with the publisher's files.`,
  );
}

async function fromTarball(
  bytes: Uint8Array<ArrayBuffer>,
  where: string,
): Promise<{ readonly find: Finder; readonly where: string }> {
  const entries = await readTarball(bytes, where);
  return { find: (file) => Promise.resolve(entries.get(file)), where };
}

async function loadSplit(
  { files, record }: CifarDescription,
  split: SplitName,
  find: Finder,
  where: string,
): Promise<Shard> {
  const parts: { readonly name: string; readonly file: Uint8Array<ArrayBuffer>; readonly count: number }[] = [];
  for (const name of files[split]) {
    const file = await find(name);
    if (file !== undefined) parts.push({ name, file, count: countCifarRecords(file, name, record) });
  }
  if (parts.length === 0) {
    throw new Failure(
      "bad-input",
      `${where} has no ${files[split][0]}; --data-dir is the folder with the publisher's files.`,
    );
  }
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const inputShape = [CIFAR_SIDE, CIFAR_SIDE, 3];
  const x = new Uint8Array(count * CIFAR_SIDE * CIFAR_SIDE * 3);
  const y = new Int32Array(count);
  let first = 0;
  for (const { name, file } of parts) first += parseCifar(file, name, record, { x, y }, first);
  return { count, inputShape, x, y, scale: SCALE, offset: OFFSET };
}
