import { createHash } from "node:crypto";
import type { ByteSource } from "../../shared/fusion/index.ts";
import { type CheckpointId, checkpointId } from "../../shared/identity.ts";

const READ_BYTES = 1024 * 1024;

export interface DigestOptions {
  readonly signal?: AbortSignal;
  /** Called with the bytes read since the last call. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * SHA-256 of a file, which is a checkpoint's identity. Two reads are in memory at a time: one being hashed, one on its
 * way.
 * @param bytes the file's length
 * @throws the signal's reason; whatever the source throws
 */
export async function digestSource(
  source: ByteSource,
  bytes: number,
  { signal, onProgress }: DigestOptions = {},
): Promise<CheckpointId> {
  const hash = createHash("sha256");
  const readAt = (at: number) => {
    if (at >= bytes) return undefined;
    const reading = source.read(at, Math.min(bytes, at + READ_BYTES));
    // Its failure is reported when its turn comes; until then it must not count as unhandled.
    reading.catch(() => undefined);
    return reading;
  };
  let reading = readAt(0);
  for (let at = 0; reading !== undefined; at += READ_BYTES) {
    signal?.throwIfAborted();
    const chunk: Uint8Array = await reading;
    reading = readAt(at + READ_BYTES);
    hash.update(chunk);
    onProgress?.(chunk.length);
  }
  return checkpointId.parse(hash.digest("hex"));
}
