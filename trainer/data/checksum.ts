import { createHash } from "node:crypto";

/** Digests in lower-case hex, at least one; all that are given must match. */
export type Checksums =
  | { readonly sha256: string; readonly md5?: string }
  | { readonly md5: string; readonly sha256?: never };

/** `SHA-256 abc…, not def…`, or nothing where every given digest matches. */
export function checksumMismatch(bytes: Uint8Array, { sha256, md5 }: Checksums): string | undefined {
  for (const [name, algorithm, wanted] of [
    ["SHA-256", "sha256", sha256],
    ["MD5", "md5", md5],
  ] as const) {
    if (wanted === undefined) continue;
    const found = createHash(algorithm).update(bytes).digest("hex");
    if (found !== wanted) return `${name} ${found}, not ${wanted}`;
  }
  return undefined;
}
