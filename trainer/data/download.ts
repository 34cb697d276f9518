import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../failure.ts";
import { writeAtomically } from "../storage/atomic-file.ts";
import { type Checksums, checksumMismatch } from "./checksum.ts";
import { readIfThere } from "./read-file.ts";

/**
 * A file as its publisher describes it. Where the publisher names an MD5 only, that is what can be checked against its
 * page; a SHA-256 beside it is what others found the same file to have, and what a forger cannot match.
 */
export type PublishedFile = { readonly name: string; readonly bytes: number } & Checksums;

export interface Download {
  readonly file: PublishedFile;
  /** Folders at which the file is offered, tried in order; each ends in a slash. */
  readonly mirrors: readonly string[];
  /** Where the file is kept once it is whole and has its checksum. */
  readonly directory: string;
  readonly fetch: typeof fetch;
  readonly signal?: AbortSignal | undefined;
  readonly notify?: ((message: string) => void) | undefined;
}

/**
 * A published file from the cache, or from the first mirror that delivers it whole. Bytes are checked before they get
 * their name in the cache, and again whenever they are read from there: a file that was damaged since is removed, said
 * so, and fetched anew.
 * @throws Failure `unreachable` where no mirror answers, `bad-input` where what they deliver has another checksum
 */
export async function downloadFile(download: Download): Promise<Uint8Array<ArrayBuffer>> {
  const { file, mirrors, directory, signal, notify } = download;
  const path = join(directory, file.name);
  const cached = await readIfThere(path);
  if (cached !== undefined) {
    const mismatch = checksumMismatch(cached, file);
    if (mismatch === undefined) return cached;
    await rm(path, { force: true });
    notify?.(`removed ${path} from the cache: it is not the published file (${mismatch})`);
  }

  const reasons: string[] = [];
  let kind: "unreachable" | "bad-input" = "unreachable";
  for (const mirror of mirrors) {
    signal?.throwIfAborted();
    notify?.(`downloading ${mirror}${file.name} (${(file.bytes / 1e6).toFixed(1)} MB)`);
    const host = new URL(mirror).host;
    try {
      const bytes = await fetchFrom(mirror, download);
      await writeAtomically(path, bytes);
      return bytes;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof DeliveryError)) throw error;
      if (error.corrupt) kind = "bad-input";
      reasons.push(`${host}: ${error.message}`);
    }
  }
  throw new Failure(
    kind,
    `${file.name} could not be downloaded (${reasons.join("; ")}); nothing was kept. Try again, or fetch it yourself and give its folder as --data-dir.`,
  );
}

/** One mirror failed; the next may not. */
class DeliveryError extends Error {
  readonly corrupt: boolean;
  constructor(message: string, corrupt: boolean, options?: ErrorOptions) {
    super(message, options);
    this.corrupt = corrupt;
  }
}

async function fetchFrom(mirror: string, { file, fetch, signal }: Download): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let received = 0;
  try {
    const response = await fetch(new URL(file.name, mirror), signal === undefined ? {} : { signal });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new DeliveryError(`HTTP ${response.status}`, false);
    }
    for await (const chunk of response.body) {
      received += chunk.length;
      // A body that never ends must not fill the memory; it cannot be the file any more.
      if (received > file.bytes) throw new DeliveryError(`more than the ${file.bytes} bytes it should have`, true);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof DeliveryError) throw error;
    throw new DeliveryError(describe(error), false, { cause: error });
  }
  const bytes = new Uint8Array(received);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  if (received < file.bytes) throw new DeliveryError(`${received} of ${file.bytes} bytes`, true);
  const mismatch = checksumMismatch(bytes, file);
  if (mismatch !== undefined) throw new DeliveryError(mismatch, true);
  return bytes;
}

/** fetch says only "fetch failed"; the reason is in its cause. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause;
  if (cause instanceof Error) return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
  return error.message;
}
