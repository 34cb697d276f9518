import { mkdtemp, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeShard } from "../../../shared/evaluation/shard.ts";
import { writeAtomically } from "../../../trainer/storage/atomic-file.ts";
import { tinyDataset } from "../training/tiny-dataset.ts";
import { runCli } from "./run-cli.ts";

let folder: string;
let words: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-experiment-"));
  const { train, validation } = tinyDataset();
  await writeAtomically(join(folder, "data", "train.safetensors"), encodeShard(train));
  await writeAtomically(join(folder, "data", "validation.safetensors"), encodeShard(validation));
  words = ["experiment", "lmc", "--dataset", "shards", "--data-dir", join(folder, "data"), "--hidden", "8x2"];
  words.push(
    "--epochs",
    "2",
    "--batch",
    "20",
    "--pairs",
    "2",
    "--ratios",
    "0,0.5",
    "--models",
    "3",
    "--backend",
    "wasm",
  );
});
afterAll(() => rm(folder, { recursive: true }));

describe("edgefuse experiment lmc", () => {
  it("measures, reports, and goes on where it was cut off, to the same figures", async () => {
    const out = join(folder, "out");
    const line = [...words, "--study", "ratio,models,pruning", "--out", out];
    const first = await runCli(line);
    expect(first.stderr).toContain("6 conditions, 2 families each");
    expect(first.code).toBe(0);
    expect(first.stdout).toContain("Share of frozen weights");
    const results = await readFile(join(out, "results.json"), "utf8");
    const { studies } = JSON.parse(results) as { studies: { study: string; rows: unknown[] }[] };
    expect(studies.map(({ study, rows }) => [study, rows.length])).toEqual([
      ["ratio", 2],
      ["models", 4],
      ["pruning", 2],
    ]);
    const report = await readFile(join(out, "report.md"), "utf8");
    for (const picture of ["ratio.svg", "ratio-curves.svg", "models.svg", "pruning.svg"]) {
      expect(report).toContain(`(${picture})`);
      expect(await readFile(join(out, picture), "utf8")).toMatch(/^<svg /);
    }

    const journal = join(out, "measurements.jsonl");
    await truncate(journal, Math.floor((await readFile(journal)).length / 2));
    const second = await runCli(line);
    expect(second.code).toBe(0);
    expect(second.stderr).toMatch(/[1-9]\d* of \d+ families are known already/);
    expect(await readFile(join(out, "results.json"), "utf8")).toBe(results);
  });

  it.each([
    [["experiment", "soup", "--out", "x"], /no experiment "soup"; there is lmc/],
    [["experiment", "lmc", "--study", "colour", "--out", "x"], /some of ratio, pruning/],
    [["experiment", "lmc", "--ratios", "0,1", "--out", "x"], /shares in \[0, 1\)/],
    [["experiment", "lmc", "--model", "lenet", "--study", "depth", "--out", "x"], /Take --model mlp/],
  ])("refuses %j in one line", async (line, message) => {
    const { code, stderr } = await runCli(line);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });
});
