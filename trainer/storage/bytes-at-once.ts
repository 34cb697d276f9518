import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

/** Most bytes of one read, one write or one update of a hash: Node refuses those of 2 GiB and more. */
export const BYTES_AT_ONCE = 2 ** 30;

/** Writes all the bytes at a file's position, in as many writes as it takes. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, atOnce = BYTES_AT_ONCE): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += (await file.write(bytes, at, Math.min(atOnce, bytes.length - at))).bytesWritten;
  }
}

/**
 * Fills a buffer from `position` on, in as many reads as it takes.
 * @returns bytes read: fewer than the buffer has where the file ends before
 */
export async function readAll(
  file: FileHandle,
  buffer: Uint8Array,
  position: number,
  atOnce = BYTES_AT_ONCE,
): Promise<number> {
  let at = 0;
  while (at < buffer.length) {
    const { bytesRead } = await file.read(buffer, at, Math.min(atOnce, buffer.length - at), position + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return at;
}

/**
 * A whole file of any size, or nothing where there is none.
 * @throws the file system's errors but ENOENT
 */
export async function readWhole(path: string, atOnce = BYTES_AT_ONCE): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const bytes = new Uint8Array((await file.stat()).size);
    return bytes.subarray(0, await readAll(file, bytes, 0, atOnce));
  } finally {
    await file.close();
  }
}

/** Takes bytes of any number into a hash. */
export function updateHash(hash: Hash, bytes: Uint8Array, atOnce = BYTES_AT_ONCE): Hash {
  for (let at = 0; at < bytes.length; at += atOnce) hash.update(bytes.subarray(at, at + atOnce));
  return hash;
}

/** SHA-256 in lower-case hex. */
export function sha256Hex(bytes: Uint8Array): string {
  return updateHash(createHash("sha256"), bytes).digest("hex");
}
