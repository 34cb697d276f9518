import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Journal } from "../../../trainer/experiment/journal.ts";
import { measured } from "./families.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-journal-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("Journal", () => {
  it("remembers what was added", async () => {
    const path = join(folder, "new", "measurements.jsonl");
    const journal = await Journal.open(path);
    await journal.add("a", measured(1, 0.1));
    await journal.add("b", measured(2, 0.2, 5));
    const again = await Journal.open(path);
    expect(again.get("a")).toEqual(measured(1, 0.1));
    expect(again.get("b")).toEqual(measured(2, 0.2, 5));
    expect(again.get("c")).toBeUndefined();
  });

  it("drops a last line that a kill cut off, at every length, and goes on after it", async () => {
    const path = join(folder, "measurements.jsonl");
    await (await Journal.open(path)).add("a", measured(1, 0.1));
    const first = await readFile(path, "utf8");
    for (const length of [1, 10, first.length - 1]) {
      await writeFile(path, first);
      await appendFile(path, first.replace('"a"', '"b"').slice(0, length));
      const journal = await Journal.open(path);
      expect(journal.get("a")).toBeDefined();
      expect(journal.get("b")).toBeUndefined();
      await journal.add("c", measured(3, 0.3));
      expect((await Journal.open(path)).get("c")).toEqual(measured(3, 0.3));
    }
  });

  it("refuses a file that is no journal, and leaves it alone", async () => {
    const path = join(folder, "measurements.jsonl");
    await writeFile(path, "{}\n");
    await expect(Journal.open(path)).rejects.toThrow(/line 1: not a line of an experiment/);
    expect(await readFile(path, "utf8")).toBe("{}\n");
  });
});
