import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cifarDataset } from "../../../trainer/data/cifar-dataset.ts";
import type { Dataset } from "../../../trainer/data/dataset.ts";
import { loadDataset } from "../../../trainer/data/registry.ts";
import { failureOf } from "./failure-of.ts";
import { tarBytes } from "./tar-bytes.ts";

const SUBSET = new URL("../../../../shared/data/cifar10", import.meta.url).pathname;
const PIXELS = 32 * 32;

/** One record: its labels, then planes that begin with 1, 2, 3 and go on with the value. */
function record(labels: readonly number[], value: number): Uint8Array {
  const planes = [1, 2, 3].map((first) =>
    Uint8Array.from({ length: PIXELS }, (_, pixel) => (pixel === 0 ? first : value)),
  );
  return new Uint8Array(Buffer.concat([Uint8Array.from(labels), ...planes]));
}

const concat = (...parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const noNetwork = () => Promise.reject(new Error("no network in this test"));

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "edgefuse-cifar-"));
});
afterEach(() => rm(directory, { recursive: true }));

const load = (name: string, from = directory): Promise<Dataset> =>
  loadDataset(name, { directory: from, cacheDirectory: "/nonexistent", fetch: noNetwork });

async function write(files: Readonly<Record<string, Uint8Array>>, below = ""): Promise<void> {
  await mkdir(join(directory, below), { recursive: true });
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(directory, below, name), bytes);
}

const small = {
  "data_batch_1.bin": concat(record([7], 10), record([0], 255)),
  "data_batch_3.bin": record([9], 30),
  "test_batch.bin": record([1], 40),
};

describe("cifar10", () => {
  it("reads the batches that are there in order, channels last, in [-1, 1]", async () => {
    await write(small);
    const { train, validation, inputShape, classes } = await load("cifar10");
    expect([train.count, validation.count, classes, inputShape]).toEqual([3, 1, 10, [32, 32, 3]]);
    expect([...train.y, ...validation.y]).toEqual([7, 0, 9, 1]);
    const size = PIXELS * 3;
    expect([...train.x.slice(0, 6)]).toEqual([1, 2, 3, 10, 10, 10]);
    expect([...train.x.slice(size, size + 6)]).toEqual([1, 2, 3, 255, 255, 255]);
    expect(train.x.length).toBe(3 * size);
    const real = (pixel: number) => pixel * train.scale + train.offset;
    for (const pixel of [0, 33, 255]) expect(real(pixel)).toBeCloseTo((pixel / 255 - 0.5) / 0.5, 12);
  });

  it("reads them in the folder of the archive, and from the archive", async () => {
    await write(small, "cifar-10-batches-bin");
    const unpacked = await load("cifar10");
    await rm(join(directory, "cifar-10-batches-bin"), { recursive: true });
    const entries = Object.entries(small).map(([name, data]) => ({ name: `cifar-10-batches-bin/${name}`, data }));
    await write({ "cifar-10-binary.tar.gz": gzipSync(tarBytes(entries)) });
    expect(await load("cifar10")).toEqual(unpacked);
  });

  it.each<[string, Readonly<Record<string, Uint8Array>>, RegExp]>([
    ["a part of a record", { "test_batch.bin": record([1], 1).slice(1) }, /test_batch\.bin .* 3072 bytes are no whole/],
    [
      "CIFAR-100 records",
      { "data_batch_1.bin": record([1, 2], 1) },
      /3074 bytes are no whole number of records of 3073/,
    ],
    ["an empty file", { "data_batch_3.bin": new Uint8Array(0) }, /data_batch_3\.bin .* it is empty/],
    [
      "a label beyond the classes",
      { "data_batch_3.bin": concat(record([2], 1), record([10], 1)) },
      /data_batch_3\.bin .* label of record 1 is 10, and the classes are 0 to 9/,
    ],
  ])("refuses %s in one line that names the file", async (_, replaced, message) => {
    await write({ ...small, ...replaced });
    const { kind, message: line } = await failureOf(() => load("cifar10"));
    expect(kind).toBe("bad-input");
    expect(line).toMatch(message);
    expect(line).toMatch(/is not a usable CIFAR binary file: .*Get the file again\.$/);
    expect(line).not.toContain("\n");
  });

  it("says what is missing", async () => {
    expect(await failureOf(() => load("cifar10"))).toMatchObject({
      kind: "bad-input",
      message: expect.stringMatching(/has neither data_batch_1\.bin nor cifar-10-binary\.tar\.gz; --data-dir/),
    });
    await write({ "data_batch_2.bin": record([1], 1) });
    expect(await failureOf(() => load("cifar10"))).toMatchObject({
      kind: "bad-input",
      message: expect.stringMatching(/has no test_batch\.bin; --data-dir/),
    });
    await mkdir(join(directory, "test_batch.bin"));
    expect(await failureOf(() => load("cifar10"))).toMatchObject({
      kind: "bad-input",
      message: expect.stringMatching(/test_batch\.bin is a folder where a file is needed/),
    });
  });

  it.skipIf(!existsSync(SUBSET))(
    "reads real photographs (skipped where ../shared/data/cifar10 is absent)",
    async () => {
      const { train, validation } = await load("cifar10", SUBSET);
      expect([train.count, validation.count]).toEqual([10_000, 2_000]);
      expect([...train.y.slice(0, 10)]).toEqual([2, 3, 9, 5, 8, 6, 6, 2, 6, 5]);
      expect(new Set(validation.y).size).toBe(10);
      const sums = [0, 0, 0];
      for (let i = 0; i < train.x.length; i++) sums[i % 3] = (sums[i % 3] ?? 0) + (train.x[i] ?? 0);
      // Those of all of CIFAR-10: red is brightest, blue darkest, which mixed-up channels would not be.
      [0.4914, 0.4822, 0.4465].forEach((mean, channel) => {
        expect(Math.abs((sums[channel] ?? 0) / (255 * (train.x.length / 3)) - mean)).toBeLessThan(0.004);
      });
      // Neighbours in a picture are alike; planes read as pixels are not.
      let difference = 0;
      for (let i = 3; i < 3072 * 100; i++) difference += Math.abs((train.x[i] ?? 0) - (train.x[i - 3] ?? 0));
      expect(difference / (3072 * 100)).toBeLessThan(20);
    },
  );
});

describe("cifar100", () => {
  it("learns the fine classes and checks both labels", async () => {
    await write({ "train.bin": concat(record([19, 99], 1), record([0, 42], 2)), "test.bin": record([4, 0], 3) });
    const { train, validation, classes } = await load("cifar100");
    expect([[...train.y], [...validation.y], classes]).toEqual([[99, 42], [0], 100]);
    expect([...train.x.slice(0, 4)]).toEqual([1, 2, 3, 1]);

    await write({ "test.bin": record([20, 5], 3) });
    expect((await failureOf(() => load("cifar100"))).message).toMatch(/superclass label of record 0 is 20.*0 to 19/);
    await write({ "test.bin": record([2, 100], 3) });
    expect((await failureOf(() => load("cifar100"))).message).toMatch(/ label of record 0 is 100.*0 to 99/);
  });
});

describe("a CIFAR archive from the publisher", () => {
  const archive = new Uint8Array(gzipSync(tarBytes(Object.entries(small).map(([name, data]) => ({ name, data })))));
  const source = cifarDataset({
    name: "tiny-cifar",
    summary: "",
    classes: 10,
    record: { labels: [10] },
    archive: { name: "tiny.tar.gz", bytes: archive.length, md5: createHash("md5").update(archive).digest("hex") },
    folder: "tiny",
    files: { train: ["data_batch_1.bin", "data_batch_3.bin"], validation: ["test_batch.bin"] },
  });
  const answering =
    (body: Uint8Array<ArrayBuffer>): typeof fetch =>
    () =>
      Promise.resolve(new Response(body));

  it("is downloaded once, then read from the cache", async () => {
    const first = await source.load({ cacheDirectory: directory, fetch: answering(archive) });
    const second = await source.load({ cacheDirectory: directory, fetch: noNetwork });
    expect(second).toEqual(first);
    expect([...first.train.y]).toEqual([7, 0, 9]);
    expect(await readdir(join(directory, "tiny-cifar"))).toEqual(["tiny.tar.gz"]);
  });

  it("is refused with another checksum, keeping nothing", async () => {
    const forged = archive.slice();
    forged[archive.length - 1] = (forged[archive.length - 1] ?? 0) ^ 1;
    const { kind, message } = await failureOf(() =>
      source.load({ cacheDirectory: directory, fetch: answering(forged) }),
    );
    expect(kind).toBe("bad-input");
    expect(message).toMatch(
      /^tiny\.tar\.gz could not be downloaded \(.*MD5 [0-9a-f]{32}, not [0-9a-f]{32}.*nothing was kept/,
    );
    expect(await readdir(directory)).toEqual([]);
  });
});
