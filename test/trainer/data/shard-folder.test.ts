import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodeSafetensors } from "../../../shared/safetensors/index.ts";
import type { Dataset } from "../../../trainer/data/dataset.ts";
import { loadDataset } from "../../../trainer/data/registry.ts";
import { shardFiles } from "../../../trainer/data/slice-shards.ts";
import { failureOf } from "./failure-of.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "edgefuse-shards-"));
});
afterEach(() => rm(directory, { recursive: true }));

const surroundings = { cacheDirectory: "/nonexistent", fetch: () => Promise.reject(new Error("no network")) };
const load = (): Promise<Dataset> => loadDataset("shards", { directory, ...surroundings });

async function put(name: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(join(directory, name)), { recursive: true });
  await writeFile(join(directory, name), bytes);
}

interface Content {
  readonly labels: readonly number[];
  /** Labels of one sample where there are several. */
  readonly length?: number;
  readonly inputShape?: readonly number[];
  /** Bytes by default. */
  readonly float32?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A shard whose samples are filled with their labels. */
function shard({ labels, length, inputShape = [2], float32 = false, metadata = {} }: Content): Uint8Array {
  const count = labels.length / (length ?? 1);
  const size = inputShape.reduce((product, dimension) => product * dimension, 1);
  const values = Array.from({ length: count * size }, (_, i) => labels[Math.floor(i / size) * (length ?? 1)] ?? 0);
  const y = new Uint8Array(Int32Array.from(labels).buffer);
  const x = float32 ? new Uint8Array(Float32Array.from(values).buffer) : Uint8Array.from(values);
  const tensors = new Map([
    ["x", { dtype: float32 ? ("F32" as const) : ("U8" as const), shape: [count, ...inputShape], data: x }],
    ["y", { dtype: "I32" as const, shape: length === undefined ? [count] : [count, length], data: y }],
  ]);
  return encodeSafetensors(tensors, { ...(float32 ? {} : { scale: "0.5", offset: "-1" }), ...metadata });
}

describe("a folder of shards", () => {
  it("joins the shards of a split in the natural order of their names", async () => {
    await put("train-10.safetensors", shard({ labels: [5] }));
    await put("train-2.safetensors", shard({ labels: [2, 3] }));
    await put("train-1.safetensors", shard({ labels: [1] }));
    await put("validation.safetensors", shard({ labels: [6] }));
    await put(".train-3.safetensors.part", new Uint8Array(3));
    await put("README.md", new Uint8Array(3));
    const { name, train, validation, classes, inputShape } = await load();
    expect([name, classes, inputShape]).toEqual(["shards", 7, [2]]);
    expect([...train.y]).toEqual([1, 2, 3, 5]);
    expect([...train.x]).toEqual([1, 1, 2, 2, 3, 3, 5, 5]);
    expect(train).toMatchObject({ count: 4, scale: 0.5, offset: -1 });
    expect([...validation.y]).toEqual([6]);
  });

  it("reads what edgefuse shard wrote, bit for bit", async () => {
    const glyphs = await loadDataset("glyphs", surroundings);
    for (const split of ["train", "validation"] as const) {
      let index = 0;
      for (const { file } of shardFiles(glyphs[split], 900)) await put(`glyphs-${split}-${++index}.safetensors`, file);
    }
    expect(await load()).toEqual({ ...glyphs, name: "shards" });
  });

  it("takes the folders train and validation, and float32 values", async () => {
    await put("train/b.safetensors", shard({ labels: [1], float32: true }));
    await put("train/a.safetensors", shard({ labels: [0], float32: true }));
    await put("validation/a.safetensors", shard({ labels: [1] }));
    const { train, validation } = await load();
    expect(train.x).toEqual(Float32Array.from([0, 0, 1, 1]));
    expect(train).toMatchObject({ scale: 1, offset: 0 });
    expect(validation.x).toEqual(Uint8Array.from([1, 1]));
  });

  it("takes the number of classes from the metadata", async () => {
    await put("train.safetensors", shard({ labels: [0, 1], metadata: { classes: "12" } }));
    await put("validation.safetensors", shard({ labels: [3] }));
    expect((await load()).classes).toBe(12);
  });

  it("takes a sequence of labels a sample, and cuts it into shards again", async () => {
    await put("train-1.safetensors", shard({ labels: [1, 2, 3, 4, 5, 6], length: 3, inputShape: [3] }));
    await put("train-2.safetensors", shard({ labels: [7, 8, 9], length: 3, inputShape: [3] }));
    await put("validation-1.safetensors", shard({ labels: [3, 2, 1], length: 3, inputShape: [3] }));
    const first = await load();
    expect([first.classes, first.train.count]).toEqual([10, 3]);
    expect([...first.train.y]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await rm(join(directory, "train-1.safetensors"));
    let index = 0;
    for (const { file } of shardFiles(first.train, 2)) await put(`train-${++index}.safetensors`, file);
    expect(await load()).toEqual(first);
  });

  const good = { "train-1.safetensors": shard({ labels: [1] }), "validation-1.safetensors": shard({ labels: [1] }) };

  it.each<[string, Readonly<Record<string, Uint8Array>>, RegExp]>([
    ["a folder without shards", {}, /has no train shards; name them train\*\.safetensors/],
    ["one split only", { "train-1.safetensors": shard({ labels: [1] }) }, /has no validation shards/],
    [
      "mixed sample shapes",
      { ...good, "train-2.safetensors": shard({ labels: [1], inputShape: [3] }) },
      /train-2\.safetensors has samples of \[3\].*train-1\.safetensors has samples of \[2\].*one dataset/,
    ],
    [
      "splits of different shapes",
      { ...good, "validation-1.safetensors": shard({ labels: [1], inputShape: [2, 1] }) },
      /validation-1\.safetensors has samples of \[2,1\]/,
    ],
    [
      "mixed label lengths",
      { ...good, "train-2.safetensors": shard({ labels: [1, 2], length: 2 }) },
      /train-2\.safetensors has .*2 labels.*one label/,
    ],
    [
      "mixed element types",
      { ...good, "train-2.safetensors": shard({ labels: [1], float32: true }) },
      /has float32 values, .* has bytes of scale 0\.5 and offset -1/,
    ],
    [
      "mixed scales",
      { ...good, "train-2.safetensors": shard({ labels: [1], metadata: { scale: "2" } }) },
      /bytes of scale 2 and offset -1/,
    ],
    [
      "a file that is no shard",
      { ...good, "train-1.safetensors": new Uint8Array(20) },
      /train-1\.safetensors is not a usable shard/,
    ],
    [
      "a file cut short",
      { ...good, "validation-1.safetensors": shard({ labels: [1, 2, 3] }).slice(0, -2) },
      /validation-1\.safetensors is not a usable shard/,
    ],
    [
      "a label outside the announced classes",
      { ...good, "train-1.safetensors": shard({ labels: [4], metadata: { classes: "4" } }) },
      /train-1\.safetensors has the label 4; the classes are 0 to 3/,
    ],
    [
      "different numbers of classes",
      {
        "train-1.safetensors": shard({ labels: [1], metadata: { classes: "4" } }),
        "validation-1.safetensors": shard({ labels: [1], metadata: { classes: "5" } }),
      },
      /validation-1\.safetensors has 5 classes, .*train-1\.safetensors has 4/,
    ],
    [
      "a number of classes that is none",
      { ...good, "train-1.safetensors": shard({ labels: [1], metadata: { classes: "many" } }) },
      /metadata says classes "many"/,
    ],
    [
      "a label beyond all reason",
      { ...good, "train-1.safetensors": shard({ labels: [2 ** 30] }) },
      /has the label 1073741824/,
    ],
  ])("refuses %s in one line", async (_, files, message) => {
    for (const [name, bytes] of Object.entries(files)) await put(name, bytes);
    const failure = await failureOf(load);
    expect(failure.kind).toBe("bad-input");
    expect(failure.message).toMatch(message);
    expect(failure.message).not.toContain("\n");
  });

  it("needs --data-dir, a folder", async () => {
    expect(await failureOf(() => loadDataset("shards", surroundings))).toMatchObject({
      kind: "usage",
      message: expect.stringMatching(/needs --data-dir/),
    });
    const nowhere = join(directory, "nowhere");
    expect(await failureOf(() => loadDataset("shards", { directory: nowhere, ...surroundings }))).toMatchObject({
      kind: "bad-input",
      message: expect.stringMatching(/nowhere is not a folder/),
    });
  });
});
