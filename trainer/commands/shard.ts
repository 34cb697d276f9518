import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { defineCommand } from "../command-line/command.ts";
import { choice, optional, text, wholeNumber } from "../command-line/options.ts";
import { SPLIT_NAMES } from "../data/dataset.ts";
import { naturalOrder } from "../data/natural-order.ts";
import { shardFiles } from "../data/slice-shards.ts";
import { writeAtomically } from "../storage/atomic-file.ts";
import { DATASET_OPTIONS, loadFromOptions } from "./dataset-options.ts";

export const shard = defineCommand({
  name: "shard",
  summary: "write validation shards from a dataset",
  description:
    "Cuts a split into shards, the files on which a worker evaluates models: safetensors with x (bytes, with scale and\n" +
    "offset in the metadata, or float32) and y, one class a sample or a sequence of them. Writes\n" +
    "OUT/DATASET-SPLIT-1.safetensors, … and removes those of an earlier run that had more. Equal data gives equal bytes.",
  options: {
    ...DATASET_OPTIONS,
    split: choice(SPLIT_NAMES, { help: "which split", fallback: "validation" }),
    size: wholeNumber(1, 1_000_000, { help: "samples a shard; the last may have fewer", fallback: "1000" }),
    limit: optional(wholeNumber(1, 1_000_000_000, { help: "samples in all (default: the whole split)" })),
    out: text({ help: "folder for the shards", placeholder: "DIR" }),
  },
  examples: [
    { what: "the validation split in two shards", line: "edgefuse shard --dataset glyphs --size 1000 --out shards" },
    { what: "CIFAR-10, downloaded and cached", line: "edgefuse shard --dataset cifar10 --out shards" },
    { what: "MNIST from a folder", line: "edgefuse shard --dataset mnist --data-dir mnist --out shards --json" },
  ],
  async run(values, _operands, context) {
    const dataset = await loadFromOptions(values, context);
    const name = `${dataset.name}-${values.split}`;
    let index = 0;
    for (const { count, file } of shardFiles(dataset[values.split], values.size, values.limit)) {
      context.signal.throwIfAborted();
      index++;
      const path = join(values.out, `${name}-${index}.safetensors`);
      await writeAtomically(path, file);
      const sha256 = createHash("sha256").update(file).digest("hex");
      const value = { event: "shard", path, sha256, dataset: dataset.name, split: values.split, samples: count };
      context.terminal.result(value, `${sha256}  ${path}  ${count} samples`);
    }
    for (const path of await shardsBeyond(values.out, name, index)) {
      await rm(path);
      context.terminal.note(`removed ${path}, of an earlier run with more shards`);
    }
  },
});

/** Shards of this name with higher numbers: a folder is read whole, and would have their samples twice. */
async function shardsBeyond(folder: string, name: string, last: number): Promise<string[]> {
  const numberOf = (file: string) =>
    file.startsWith(`${name}-`)
      ? Number(/^([1-9]\d*)\.safetensors$/.exec(file.slice(name.length + 1))?.[1])
      : Number.NaN;
  const stale = (await readdir(folder)).filter((file) => numberOf(file) > last);
  return stale.toSorted(naturalOrder).map((file) => join(folder, file));
}
