import { createHash } from "node:crypto";
import { mkdtemp, open, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { digestSource } from "../../../trainer/fusing/digest-source.ts";
import { openFile } from "../../../trainer/fusing/file-source.ts";
import { PartDigests } from "../../../trainer/fusing/part-digests.ts";

let folder: string;
let path: string;
const bytes = Uint8Array.from({ length: 2 ** 21 + 7 }, (_, index) => (index * 31) >> 3);
const sha256 = (part: Uint8Array) => createHash("sha256").update(part).digest("hex");

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-source-"));
  path = join(folder, "file");
  await writeFile(path, bytes);
});
afterEach(() => {
  vi.restoreAllMocks();
  return rm(folder, { recursive: true });
});

describe("openFile", () => {
  it("reads any range, each into a buffer of its own", async () => {
    const file = await openFile(path);
    expect(file.bytes).toBe(bytes.length);
    const [a, b] = await Promise.all([file.read(5, 9), file.read(2 ** 20 - 1, bytes.length)]);
    expect(a).toEqual(bytes.slice(5, 9));
    expect(sha256(b)).toBe(sha256(bytes.subarray(2 ** 20 - 1)));
    expect(a.buffer).not.toBe(b.buffer);
    await expect(file.read(bytes.length - 1, bytes.length + 1)).rejects.toMatchObject({ code: "truncated-file" });
    await file.close();
  });

  it("asks for a bounded number of bytes at a time, as Node refuses 2 GiB, and goes on after a short read", async () => {
    const probe = await open(path, "r");
    const handles = Object.getPrototypeOf(probe) as { read(...values: unknown[]): Promise<unknown> };
    await probe.close();
    const read = handles.read;
    const asked: unknown[] = [];
    vi.spyOn(handles, "read").mockImplementation(function (this: unknown, buffer, at, length, position) {
      asked.push([length, position]);
      // The system may give less than it was asked for.
      return read.call(this, buffer, at, Math.min(Number(length), 8), position);
    });
    const file = await openFile(path, 10);
    expect(await file.read(3, 28)).toEqual(bytes.slice(3, 28));
    await file.close();
    expect(asked).toEqual([
      [10, 3],
      [10, 11],
      [9, 19],
      [1, 27],
    ]);
  });

  it("notices that a file was written to", async () => {
    const file = await openFile(path);
    await file.checkUnchanged();
    await utimes(path, new Date(0), new Date(0));
    await expect(file.checkUnchanged()).rejects.toMatchObject({ kind: "bad-input" });
    await file.close();
  });

  it("takes no folders", async () => {
    await expect(openFile(folder)).rejects.toMatchObject({ kind: "bad-input" });
  });
});

describe("digestSource", () => {
  it("is the file's SHA-256, and reports all bytes", async () => {
    const file = await openFile(path);
    let seen = 0;
    expect(await digestSource(file, bytes.length, { onProgress: (count) => (seen += count) })).toBe(sha256(bytes));
    expect(seen).toBe(bytes.length);
    await file.close();
  });

  it("stops when told to", async () => {
    const file = await openFile(path);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(digestSource(file, bytes.length, { signal })).rejects.toThrow("enough");
    await file.close();
  });
});

it.each([1000, 2 ** 20, bytes.length, 2 ** 22])("PartDigests cuts the same parts from writes of %d", (size) => {
  const digests = new PartDigests(2 ** 20);
  for (let at = 0; at < bytes.length; at += size) digests.update(bytes.subarray(at, at + size));
  expect(digests.finish()).toEqual({
    sha256: sha256(bytes),
    partSha256: [0, 1, 2].map((part) => sha256(bytes.subarray(part * 2 ** 20, (part + 1) * 2 ** 20))),
  });
});
