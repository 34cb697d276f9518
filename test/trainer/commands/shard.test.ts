import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodeShard } from "../../../shared/evaluation/shard.ts";
import { idxBytes } from "../data/idx-bytes.ts";
import { runCli } from "./run-cli.ts";

const CIFAR = new URL("../../../../shared/data/cifar10", import.meta.url).pathname;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-shard-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("edgefuse shard of every dataset", () => {
  it("writes Fashion-MNIST from a folder", async () => {
    for (const name of ["train", "t10k"]) {
      await writeFile(
        join(folder, `${name}-images-idx3-ubyte`),
        idxBytes(
          [3, 2, 2],
          Array.from({ length: 12 }, (_, i) => i),
        ),
      );
      await writeFile(join(folder, `${name}-labels-idx1-ubyte`), idxBytes([3], [0, 9, 3]));
    }
    const words = [
      "shard",
      "--dataset",
      "fashion-mnist",
      "--data-dir",
      folder,
      "--size",
      "2",
      "--out",
      join(folder, "out"),
    ];
    expect(await runCli(words)).toMatchObject({ code: 0 });
    const names = await readdir(join(folder, "out"));
    expect(names.toSorted()).toEqual([
      "fashion-mnist-validation-1.safetensors",
      "fashion-mnist-validation-2.safetensors",
    ]);
  });

  it("leaves no shard of an earlier run that had more, and removes nothing else", async () => {
    const out = join(folder, "out");
    const words = ["shard", "--dataset", "glyphs", "--out", out, "--limit", "40"];
    const others = [
      "glyphs-train-5.safetensors",
      "glyphs-validation-04.safetensors",
      "glyphs-validation-mine.safetensors",
    ];
    const written = (count: number) =>
      Array.from({ length: count }, (_, at) => `glyphs-validation-${at + 1}.safetensors`);
    expect(await runCli([...words, "--size", "10"])).toMatchObject({ code: 0 });
    for (const name of others) await writeFile(join(out, name), "mine");
    expect((await readdir(out)).sort()).toEqual([...others, ...written(4)].sort());
    const { code, stderr } = await runCli([...words, "--size", "30"]);
    expect([code, stderr.match(/removed /g)?.length]).toEqual([0, 2]);
    expect((await readdir(out)).sort()).toEqual([...others, ...written(2)].sort());
  });

  it.skipIf(!existsSync(CIFAR))(
    "cuts CIFAR-10 and reads its own shards (skipped without ../shared/data/cifar10)",
    async () => {
      const [first, second] = [join(folder, "first"), join(folder, "second")];
      for (const split of ["train", "validation"]) {
        const words = [
          "shard",
          "--dataset",
          "cifar10",
          "--data-dir",
          CIFAR,
          "--split",
          split,
          "--size",
          "300",
          "--limit",
          "400",
        ];
        expect(await runCli([...words, "--out", first])).toMatchObject({ code: 0 });
      }
      const again = ["shard", "--dataset", "shards", "--data-dir", first, "--split", "train", "--size", "400"];
      expect(await runCli([...again, "--out", second])).toMatchObject({ code: 0 });
      const read = async (path: string) => decodeShard(new Uint8Array(await readFile(path)));
      const whole = await read(join(second, "shards-train-1.safetensors"));
      const parts = [1, 2].map((index) => read(join(first, `cifar10-train-${index}.safetensors`)));
      const [one, two] = await Promise.all(parts);
      expect(whole).toMatchObject({ count: 400, inputShape: [32, 32, 3], scale: 2 / 255, offset: -1 });
      expect(Buffer.compare(whole.x as Uint8Array, Buffer.concat([one?.x as Uint8Array, two?.x as Uint8Array]))).toBe(
        0,
      );
      expect([...whole.y]).toEqual([...(one?.y ?? []), ...(two?.y ?? [])]);
    },
  );

  it.each<[string, readonly string[], number, RegExp]>([
    [
      "a dataset that is nearly right",
      ["--dataset", "cifar-10"],
      2,
      /one of glyphs, mnist, .*\(Did you mean cifar10\?\)/,
    ],
    ["shards without a folder", ["--dataset", "shards"], 2, /--dataset shards needs --data-dir/],
    ["an empty folder of shards", ["--dataset", "shards", "--data-dir", "."], 3, /has no train shards/],
    [
      "a folder without CIFAR",
      ["--dataset", "cifar100", "--data-dir", "."],
      3,
      /has neither train\.bin nor cifar-100-binary\.tar\.gz/,
    ],
  ])("refuses %s in one line and writes nothing", async (_, words, expected, message) => {
    const given = words.map((word) => (word === "." ? folder : word));
    const { code, stderr } = await runCli(["shard", ...given, "--out", join(folder, "out")]);
    expect(code).toBe(expected);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n").length).toBeLessThanOrEqual(2);
    expect(await readdir(folder)).toEqual([]);
  });
});
