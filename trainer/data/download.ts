import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../failure.ts";
import { writeAtomically } from "../storage/atomic-file.ts";

/** A file as its publisher describes it. */
export interface PublishedFile {
  readonly name: string;
  /** In lower-case hex. */
  readonly sha256: string;
  readonly bytes: number;
}

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
 * A published file from the cache, or from the first mirror that delivers it whole. The cache never holds a file that
 * is not: bytes are checked before they get their name.
 * @throws Failure `unreachable` where no mirror answers, `bad-input` where what they deliver has another checksum
 */
export async function downloadFile(download: Download): Promise<Uint8Array<ArrayBuffer>> {
  const { file, mirrors, directory, signal, notify } = download;
  const path = join(directory, file.name);
  const cached = await readIfThere(path);
  if (cached !== undefined && digest(cached) === file.sha256) return cached;

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
    `${file.name} could not be downloaded (${reasons.join("; ")}). Try again, or fetch it yourself and give its folder as --data-dir.`,
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
  const found = digest(bytes);
  if (found !== file.sha256) throw new DeliveryError(`SHA-256 ${found}, not ${file.sha256}`, true);
  return bytes;
}

/** fetch says only "fetch failed"; the reason is in its cause. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause;
  if (cause instanceof Error) return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
  return error.message;
}

async function readIfThere(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
