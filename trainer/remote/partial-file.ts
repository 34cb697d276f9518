import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { giveName } from "../storage/atomic-file.ts";

const READ_BYTES = 1024 * 1024;

/** The beginning of a file that is being downloaded, on disk between runs. */
export interface PartialFile {
  readonly path: string;
  /** Bytes so far. */
  readonly length: number;
  append(bytes: Uint8Array): Promise<void>;
  /** Begins again from nothing. */
  reset(): Promise<void>;
  /** SHA-256 of the bytes so far, lower-case hex. */
  digest(): string;
  /**
   * Flushes to disk and gives the file its name.
   * @throws Error `EEXIST` where the name must be new and is taken
   */
  commit(replace: boolean): Promise<void>;
  /** Closes it and keeps it, so that a later run goes on from here. */
  close(): Promise<void>;
  /** Closes and removes it. */
  discard(): Promise<void>;
}

/**
 * Opens what an earlier run left of a download, or begins anew.
 * @param path of the file to be
 * @param content names the bytes, so that the beginning of one file is never taken for that of another
 * @param bytes that the whole file has; more than that is none of its beginnings
 * @param onRead called with the bytes of the earlier run as they are hashed
 */
export async function openPartial(
  path: string,
  content: string,
  bytes: number,
  onRead: (bytes: number) => void = () => undefined,
): Promise<PartialFile> {
  const name = createHash("sha256").update(content).digest("hex").slice(0, 16);
  const partial = join(dirname(path), `.${basename(path)}.${name}.part`);
  await mkdir(dirname(path), { recursive: true });
  const file = await open(partial, constants.O_RDWR | constants.O_CREAT);
  let hash = createHash("sha256");
  let length = 0;
  const reset = async () => {
    await file.truncate(0);
    hash = createHash("sha256");
    length = 0;
  };
  try {
    if ((await file.stat()).size > bytes) await reset();
    const buffer = new Uint8Array(READ_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, length);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      length += bytesRead;
      onRead(bytesRead);
    }
  } catch (error) {
    await file.close();
    throw error;
  }

  let isOpen = true;
  const close = async () => {
    if (isOpen) await file.close();
    isOpen = false;
  };
  const discard = async () => {
    await close();
    await rm(partial, { force: true });
  };
  return {
    path: partial,
    get length() {
      return length;
    },
    async append(chunk) {
      for (let at = 0; at < chunk.length;) {
        at += (await file.write(chunk, at, chunk.length - at, length + at)).bytesWritten;
      }
      hash.update(chunk);
      length += chunk.length;
    },
    reset,
    digest: () => hash.copy().digest("hex"),
    async commit(replace) {
      await file.sync();
      await close();
      await giveName(partial, path, { replace });
      await discard();
    },
    close,
    discard,
  };
}
