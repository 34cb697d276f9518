import { open } from "node:fs/promises";
import type { ByteSource } from "../../shared/fusion/index.ts";
import { Problem } from "../../shared/problem.ts";
import { Failure } from "../failure.ts";
import { BYTES_AT_ONCE, readAll } from "../storage/bytes-at-once.ts";

/** A file that stays open, read anywhere. */
export interface OpenFile extends ByteSource {
  readonly path: string;
  readonly bytes: number;
  /** @throws Failure `bad-input` where the file has been written to since it was opened */
  checkUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a file for reading by ranges. Each read is a buffer of its own.
 * @param atOnce bytes that the system is asked for at a time, at most
 * @throws Failure `bad-input` where the path is not a regular file; Error `ENOENT`, `EACCES` …
 */
export async function openFile(path: string, atOnce = BYTES_AT_ONCE): Promise<OpenFile> {
  const handle = await open(path, "r");
  const opened = await handle.stat({ bigint: true });
  if (!opened.isFile()) {
    await handle.close();
    throw new Failure("bad-input", `${path} is not a file; give safetensors files.`);
  }
  return {
    path,
    bytes: Number(opened.size),
    async read(begin, end) {
      const bytes = new Uint8Array(end - begin);
      const read = await readAll(handle, bytes, begin, atOnce);
      if (read < bytes.length) throw new Problem("truncated-file", `${path} ends before byte ${end}.`);
      return bytes;
    },
    async checkUnchanged() {
      const { size, mtimeNs } = await handle.stat({ bigint: true });
      if (size === opened.size && mtimeNs === opened.mtimeNs) return;
      throw new Failure("bad-input", `${path} was written to while it was read; fuse again when it is complete.`);
    },
    close: () => handle.close(),
  };
}
