import { open } from "node:fs/promises";
import type { ByteSource } from "../../shared/fusion/index.ts";
import { Problem } from "../../shared/problem.ts";
import { Failure } from "../failure.ts";

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
 * @throws Failure `bad-input` where the path is not a regular file; Error `ENOENT`, `EACCES` …
 */
export async function openFile(path: string): Promise<OpenFile> {
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
      for (let at = 0; at < bytes.length;) {
        const { bytesRead } = await handle.read(bytes, at, bytes.length - at, begin + at);
        if (bytesRead === 0) throw new Problem("truncated-file", `${path} ends before byte ${end}.`);
        at += bytesRead;
      }
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
