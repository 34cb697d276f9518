import { labelsPerSample, type Shard } from "../../shared/evaluation/shard.ts";
import { Failure } from "../failure.ts";

/** A shard and the file it came from, or the first of several. */
export interface NamedShard {
  readonly path: string;
  readonly shard: Shard;
}

/**
 * Joins the shards of a split, in order.
 * @param like a shard of another split of the dataset, whose shapes these must have; real values may be held otherwise
 * @throws Failure `bad-input` where shapes, or within the split element types, scales or offsets, are mixed
 */
export function concatenateShards(files: readonly NamedShard[], like?: NamedShard): NamedShard {
  const [first] = files;
  if (first === undefined) throw new Error("a split without shards");
  const shapes = like ?? first;
  for (const file of files) {
    if (describeShapes(file.shard) !== describeShapes(shapes.shard)) {
      throw mixed(file, describeShapes(file.shard), shapes, describeShapes(shapes.shard));
    }
    if (describeValues(file.shard) !== describeValues(first.shard)) {
      throw mixed(file, describeValues(file.shard), first, describeValues(first.shard));
    }
  }
  if (files.length === 1) return first;
  const { x } = first.shard;
  const all = files.map(({ shard }) => shard);
  const shard: Shard = {
    ...first.shard,
    count: all.reduce((sum, each) => sum + each.count, 0),
    x:
      x instanceof Uint8Array
        ? join(all, "x", new Uint8Array(total(all, "x")))
        : join(all, "x", new Float32Array(total(all, "x"))),
    y: join(all, "y", new Int32Array(total(all, "y"))),
  };
  return { path: first.path, shard };
}

const total = (all: readonly Shard[], field: "x" | "y"): number =>
  all.reduce((sum, shard) => sum + shard[field].length, 0);

function join<T extends Shard["x" | "y"]>(all: readonly Shard[], field: "x" | "y", whole: T): T {
  let at = 0;
  for (const shard of all) {
    whole.set(shard[field], at);
    at += shard[field].length;
  }
  return whole;
}

function describeShapes(shard: Shard): string {
  const labels = labelsPerSample(shard);
  return `samples of [${shard.inputShape}] with ${labels === 1 ? "one label" : `${labels} labels`}`;
}

function describeValues({ x, scale, offset }: Shard): string {
  return x instanceof Uint8Array ? `bytes of scale ${scale} and offset ${offset}` : "float32 values";
}

function mixed(file: NamedShard, its: string, other: NamedShard, others: string): Failure {
  return new Failure(
    "bad-input",
    `${file.path} has ${its}, ${other.path} has ${others}; write all shards from one dataset.`,
  );
}
