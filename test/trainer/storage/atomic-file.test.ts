import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeAtomically } from "../../../trainer/storage/atomic-file.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "edgefuse-atomic-"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("writeAtomically", () => {
  it("makes folders, writes, and replaces what was there", async () => {
    const path = join(directory, "a", "b", "file");
    await writeAtomically(path, Uint8Array.from([1, 2, 3]));
    await writeAtomically(path, Uint8Array.from([4]));
    expect([...(await readFile(path))]).toEqual([4]);
    expect(await readdir(join(directory, "a", "b"))).toEqual(["file"]);
  });

  it("leaves nothing behind where it cannot finish", async () => {
    const path = join(directory, "taken");
    await mkdir(join(path, "below"), { recursive: true });
    await expect(writeAtomically(path, Uint8Array.from([1]))).rejects.toThrow();
    expect(await readdir(directory)).toEqual(["taken"]);
  });
});
