import { createHash } from "node:crypto";
import { type FileHandle, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readWhole, updateHash } from "../../../trainer/storage/bytes-at-once.ts";

const bytes = Uint8Array.from({ length: 1000 }, (_, index) => (index * 31) >> 3);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-bytes-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  return rm(folder, { recursive: true });
});

describe("readWhole", () => {
  it("reads a file of any size, a bounded number of bytes at a time", async () => {
    const path = join(folder, "file");
    await writeFile(path, bytes);
    const probe = await open(path, "r");
    const reads = vi.spyOn(Object.getPrototypeOf(probe) as FileHandle, "read");
    await probe.close();
    expect(await readWhole(path, 300)).toEqual(bytes);
    expect((reads.mock.calls as unknown[][]).map(([, , length]) => length)).toEqual([300, 300, 300, 100]);
  });

  it("is nothing where there is no file, and says what is wrong else", async () => {
    expect(await readWhole(join(folder, "none"))).toBeUndefined();
    await writeFile(join(folder, "empty"), "");
    expect(await readWhole(join(folder, "empty"))).toEqual(new Uint8Array());
    await expect(readWhole(join(folder, "empty", "below"))).rejects.toMatchObject({ code: "ENOTDIR" });
  });
});

it("updateHash takes bounded pieces, to the same digest", () => {
  const hash = createHash("sha256");
  const updates = vi.spyOn(hash, "update");
  const digest = updateHash(hash, bytes, 300).digest("hex");
  expect(updates.mock.calls.map(([piece]) => piece.length)).toEqual([300, 300, 300, 100]);
  expect(digest).toBe(createHash("sha256").update(bytes).digest("hex"));
});
