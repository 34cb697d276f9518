import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Dataset } from "../../../trainer/data/dataset.ts";
import { loadDataset } from "../../../trainer/data/registry.ts";
import { idxBytes } from "./idx-bytes.ts";

const SUBSET = new URL("../../../../shared/data/mnist", import.meta.url).pathname;

const load = (directory: string): Promise<Dataset> =>
  loadDataset("mnist", {
    directory,
    cacheDirectory: "/nonexistent",
    fetch: () => Promise.reject(new Error("no network in this test")),
  });

/** Four equal pixels. */
const image = (value: number) => Array.from({ length: 4 }, () => value);

describe("mnist from a folder", () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "edgefuse-mnist-"));
    await writeSet({});
  });
  afterAll(() => rm(directory, { recursive: true }));

  /** A whole set of tiny files, with the given ones replaced. */
  async function writeSet(replaced: Readonly<Record<string, Uint8Array>>): Promise<void> {
    const files = {
      "train-images-idx3-ubyte": idxBytes([3, 2, 2], [...image(0), ...image(33), ...image(255)]),
      "train-labels-idx1-ubyte": idxBytes([3], [0, 9, 3]),
      "t10k-images-idx3-ubyte": idxBytes([1, 2, 2], image(7)),
      "t10k-labels-idx1-ubyte": idxBytes([1], [1]),
      ...replaced,
    };
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(directory, name), bytes);
  }

  it("reads the publisher's files, with their normalisation as scale and offset", async () => {
    const { train, validation, classes, inputShape } = await load(directory);
    expect([train.count, validation.count, classes]).toEqual([3, 1, 10]);
    expect(inputShape).toEqual([2, 2, 1]);
    expect([...train.y]).toEqual([0, 9, 3]);
    const real = (pixel: number) => pixel * train.scale + train.offset;
    for (const pixel of [0, 33, 255]) expect(real(pixel)).toBeCloseTo((pixel / 255 - 0.1307) / 0.3081, 12);
  });

  it.each<[string, Record<string, Uint8Array>, RegExp]>([
    [
      "a label beyond the classes",
      { "t10k-labels-idx1-ubyte": idxBytes([1], [10]) },
      /t10k-labels.*label 0 is 10.*classes 0 to 9/,
    ],
    ["labels of another set", { "train-labels-idx1-ubyte": idxBytes([2], [1, 2]) }, /2 labels for the 3 images/],
    ["splits of two sizes", { "t10k-images-idx3-ubyte": idxBytes([1, 1, 2], [1, 2]) }, /training images are \[2,2,1\]/],
    ["a file cut short", { "train-images-idx3-ubyte": idxBytes([3, 2, 2], [1]) }, /train-images.*cut short/],
  ])("refuses %s", async (_, replaced, message) => {
    await writeSet(replaced);
    await expect(load(directory)).rejects.toMatchObject({ kind: "bad-input", message: expect.stringMatching(message) });
    await writeSet({});
  });

  it("names the file that is missing", async () => {
    await expect(load(tmpdir())).rejects.toMatchObject({
      kind: "bad-input",
      message: expect.stringMatching(/has no train-images-idx3-ubyte\.gz; --data-dir/),
    });
  });

  it("suggests the dataset that was meant", async () => {
    await expect(loadDataset("minst", { cacheDirectory: "/nonexistent", fetch })).rejects.toMatchObject({
      kind: "usage",
      message: expect.stringMatching(
        /there are glyphs, mnist, fashion-mnist, cifar10, cifar100, shards\. Did you mean mnist\?/,
      ),
    });
  });

  it("reads Fashion-MNIST from files of the same names, with its own normalisation", async () => {
    const { name, train, classes } = await loadDataset("fashion-mnist", {
      directory,
      cacheDirectory: "/nonexistent",
      fetch,
    });
    expect([name, train.count, classes]).toEqual(["fashion-mnist", 3, 10]);
    for (const pixel of [0, 33, 255]) {
      expect(pixel * train.scale + train.offset).toBeCloseTo((pixel / 255 - 0.286) / 0.353, 12);
    }
  });

  it.skipIf(!existsSync(SUBSET))("reads real digits (skipped where ../shared/data/mnist is absent)", async () => {
    const { train, validation, inputShape } = await load(SUBSET);
    expect([train.count, validation.count]).toEqual([8_000, 2_000]);
    expect(inputShape).toEqual([28, 28, 1]);
    expect(new Set(train.y).size).toBe(10);
    const mean = Array.from(train.x).reduce((sum, pixel) => sum + pixel, 0) / train.x.length;
    expect(mean / 255).toBeCloseTo(0.1307, 2);
  });
});
