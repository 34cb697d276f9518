import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { decodeShard } from "../../shared/evaluation/shard.ts";
import { Problem } from "../../shared/problem.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { Failure } from "../failure.ts";
import { concatenateShards, type NamedShard } from "./concatenate-shards.ts";
import { type Dataset, type DatasetSource, type DatasetSurroundings, SPLIT_NAMES, type SplitName } from "./dataset.ts";
import { naturalOrder } from "./natural-order.ts";
import { readIfThere } from "./read-file.ts";

/** More classes than any vocabulary; a label beyond is taken for corrupt. */
const MOST_CLASSES = 1 << 24;

/**
 * Any data as a folder of shards, such as `edgefuse shard` writes: `train*.safetensors` and `validation*.safetensors`,
 * also behind a prefix (`glyphs-train-1.safetensors`), or all .safetensors files of the folders `train` and
 * `validation`. Files of a split are joined in the natural order of their names. Labels may be one class a sample or a
 * sequence of classes (`y` of [n, length]).
 *
 * There are as many classes as the metadata `classes` of the shards says, else one more than the highest label of both
 * splits.
 */
export const shards: DatasetSource = {
  summary: "your own data: .safetensors shards with x and y, train* and validation*, in --data-dir",
  load: async ({ directory, signal }: DatasetSurroundings): Promise<Dataset> => {
    if (directory === undefined) {
      throw new Failure(
        "usage",
        "--dataset shards needs --data-dir: a folder with train*.safetensors and validation*.safetensors.",
      );
    }
    const listing = await listFolder(directory);
    const files: ShardFile[] = [];
    const load = async (split: SplitName, like?: NamedShard): Promise<NamedShard> => {
      const read: NamedShard[] = [];
      for (const path of await findShards(directory, listing, split)) {
        signal?.throwIfAborted();
        const { shard, ...facts } = await readShard(path);
        read.push({ path, shard });
        files.push(facts);
      }
      return concatenateShards(read, like);
    };
    const train = await load("train");
    const validation = await load("validation", train);
    return {
      name: "shards",
      inputShape: train.shard.inputShape,
      classes: countClasses(files),
      train: train.shard,
      validation: validation.shard,
    };
  },
};

/** What a file says of the classes. */
interface ShardFile {
  readonly path: string;
  /** The highest label. */
  readonly highest: number;
  /** Classes that the metadata announces. */
  readonly classes: number | undefined;
}

async function listFolder(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
    throw new Failure("bad-input", `--data-dir ${directory} is not a folder.`, { cause: error });
  }
}

/** @throws Failure `bad-input` where there is none */
async function findShards(directory: string, listing: readonly string[], split: SplitName): Promise<string[]> {
  const isShard = (name: string) => name.endsWith(".safetensors") && !name.startsWith(".");
  const here = listing.filter((name) => isShard(name) && splitOf(name) === split).sort(naturalOrder);
  if (here.length > 0) return here.map((name) => join(directory, name));
  if (listing.includes(split)) {
    const below = (await listFolder(join(directory, split))).filter(isShard).sort(naturalOrder);
    if (below.length > 0) return below.map((name) => join(directory, split, name));
  }
  throw new Failure(
    "bad-input",
    `${directory} has no ${split} shards; name them ${split}*.safetensors, or put them into a folder ${split}.`,
  );
}

/** By the first part of a file's name that is, or begins with, the name of a split. */
function splitOf(name: string): SplitName | undefined {
  for (const part of name.split(/[-_.]/)) {
    const found = SPLIT_NAMES.find((split) => part.startsWith(split));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function readShard(path: string): Promise<ShardFile & NamedShard> {
  const file = await readIfThere(path);
  if (file === undefined) throw new Failure("bad-input", `${path} is gone; it was there a moment ago.`);
  try {
    const shard = decodeShard(file);
    const highest = shard.y.reduce((most, label) => Math.max(most, label), 0);
    return { path, shard, highest, classes: parseClasses(decodeSafetensors(file).header.metadata["classes"], path) };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new Failure("bad-input", `${path} is not a usable shard: ${error.message}`, { cause: error });
  }
}

function parseClasses(text: string | undefined, path: string): number | undefined {
  if (text === undefined) return undefined;
  const classes = Number(text);
  if (/^\d+$/.test(text) && classes >= 1 && classes <= MOST_CLASSES) return classes;
  throw new Failure(
    "bad-input",
    `${path}: its metadata says classes ${JSON.stringify(text)}; a whole number from 1 to ${MOST_CLASSES} is needed.`,
  );
}

function countClasses(files: readonly ShardFile[]): number {
  const telling = files.filter(({ classes }) => classes !== undefined);
  const differing = telling.find(({ classes }) => classes !== telling[0]?.classes);
  if (differing !== undefined) {
    throw new Failure(
      "bad-input",
      `${differing.path} has ${differing.classes} classes, ${telling[0]?.path} has ${telling[0]?.classes}; write both from one dataset.`,
    );
  }
  const top = files.reduce((most, file) => (file.highest > most.highest ? file : most));
  const classes = telling[0]?.classes ?? top.highest + 1;
  if (top.highest >= classes) {
    throw new Failure("bad-input", `${top.path} has the label ${top.highest}; the classes are 0 to ${classes - 1}.`);
  }
  if (classes > MOST_CLASSES) {
    throw new Failure("bad-input", `${top.path} has the label ${top.highest}; labels count classes from 0.`);
  }
  return classes;
}
