import { type FileHandle, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openAtomically, writeAtomically } from "../../../trainer/storage/atomic-file.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "edgefuse-atomic-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  return rm(directory, { recursive: true });
});

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

describe("openAtomically", () => {
  it("shows nothing under the name before all is there", async () => {
    const path = join(directory, "file");
    const file = await openAtomically(path, { replace: false });
    await file.write(Uint8Array.from([1, 2]));
    await file.write(Uint8Array.from([3]));
    expect(await readdir(directory)).not.toContain("file");
    await file.commit();
    await file.discard();
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    expect(await readdir(directory)).toEqual(["file"]);
  });

  it("leaves a name alone that was taken in the meantime", async () => {
    const path = join(directory, "file");
    const file = await openAtomically(path, { replace: false });
    await file.write(Uint8Array.from([1]));
    await writeFile(path, "first");
    await expect(file.commit()).rejects.toMatchObject({ code: "EEXIST" });
    expect(await readFile(path, "utf8")).toBe("first");
    expect(await readdir(directory)).toEqual(["file"]);
  });

  it("writes a bounded number of bytes at a time, as Node refuses 2 GiB", async () => {
    const probe = await open(directory, "r");
    const writes = vi.spyOn(Object.getPrototypeOf(probe) as FileHandle, "write");
    await probe.close();
    const file = await openAtomically(join(directory, "file"), { replace: false, atOnce: 3 });
    await file.write(Uint8Array.from([1, 2, 3, 4, 5, 6, 7]));
    await file.commit();
    expect([...(await readFile(join(directory, "file")))]).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(writes.mock.calls.map(([, , length]) => length)).toEqual([3, 3, 1]);
  });

  it("removes what was written when it is given up", async () => {
    const file = await openAtomically(join(directory, "file"), { replace: true });
    await file.write(Uint8Array.from([1]));
    await file.discard();
    await file.discard();
    expect(await readdir(directory)).toEqual([]);
  });
});
