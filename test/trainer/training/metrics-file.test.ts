import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MetricsFile } from "../../../trainer/training/metrics-file.ts";

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "edgefuse-metrics-"));
  path = join(directory, "below", "metrics.jsonl");
});
afterEach(() => rm(directory, { recursive: true }));

const point = (step: number) => ({
  step,
  epoch: 1,
  loss: 0.5,
  smoothedLoss: 0.6,
  learningRate: 0.1,
  samplesPerSecond: 100,
});
const steps = async () =>
  (await readFile(path, "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { label: string; task: string; step: number })
    .map(({ label, task, step }) => `${label} ${task} ${step}`);

describe("MetricsFile", () => {
  it("has every step of every run once, also after a resume, and drops a torn line", async () => {
    const first = new MetricsFile(path);
    for (const step of [10, 20]) first.add("a", "t", point(step));
    first.add("b", "t", point(10));
    first.close();
    await appendFile(path, '{"label":"a","task":"t","st');
    const second = new MetricsFile(path);
    for (const step of [10, 20, 30]) second.add("a", "t", point(step));
    second.add("a", "another", point(10));
    second.close();
    expect(await steps()).toEqual(["a t 10", "a t 20", "b t 10", "a t 30", "a another 10"]);
  });

  it.each(["not JSON\n", "[1]\n2\nx\n", "half a line of something"])("leaves %j alone", async (text) => {
    const other = join(directory, "notes.txt");
    await writeFile(other, text);
    expect(() => new MetricsFile(other)).toThrow(/notes\.txt holds something else than JSON lines; name another file/);
    expect(await readFile(other, "utf8")).toBe(text);
  });
});
