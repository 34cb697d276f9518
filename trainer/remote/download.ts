import { ApiError } from "../../shared/api/index.ts";
import { Failure } from "../failure.ts";
import { byteSize } from "../fusing/byte-progress.ts";
import type { RemoteWorker } from "./connect.ts";
import { openPartial, type PartialFile } from "./partial-file.ts";
import { isNetworkError, reason } from "./remote-failure.ts";

/** How often in a row a connection may break without a byte having come. */
const FRUITLESS_ATTEMPTS = 4;
const FIRST_PAUSE_MS = 500;
/** A model that was computed while it was read is stored a moment later, and only then has a digest. */
const DIGEST_PAUSES_MS = [100, 300, 1000];

export interface DownloadOptions {
  readonly signal: AbortSignal;
  /** Called with the bytes since the last call; first with those that an earlier run left. */
  readonly onProgress?: (bytes: number) => void;
  /** Whether to wait for a digest that the worker may come to know only now; shards never have one. */
  readonly awaitsDigest?: boolean;
  /** Called once the length is known. */
  readonly onLength?: (bytes: number) => void;
}

/** What a worker says of a file. */
export interface RemoteFile {
  readonly bytes: number;
  /** A strong entity tag, in quotes. */
  readonly etag: string;
  /** Lower-case hex; undefined while nobody has seen the whole. */
  readonly sha256: string | undefined;
}

/** A file that has come whole, under a temporary name. */
export interface DownloadedFile {
  readonly partial: PartialFile;
  readonly bytes: number;
  readonly sha256: string;
  /** Whether the worker's digest of the file is known, and is this one. */
  readonly verified: boolean;
  /** Bytes that an earlier run had left. */
  readonly resumedFrom: number;
}

/** Asks what a file is, without its bytes. @throws ApiError */
export async function describeFile({ client }: RemoteWorker, path: string): Promise<RemoteFile> {
  let response: Response;
  try {
    response = await client.open(path, { method: "HEAD", headers: { "accept-encoding": "identity" } });
  } catch (error) {
    // An answer to HEAD has no body, so it cannot say what is wrong; one to GET can.
    if (!(error instanceof ApiError)) throw error;
    response = await client.open(path, { headers: { "accept-encoding": "identity" } });
    await response.body?.cancel();
  }
  const etag = response.headers.get("etag");
  const length = response.headers.get("content-length");
  if (etag === null || !etag.startsWith('"') || length === null) {
    throw new Failure("refused", `${new URL(response.url).origin} does not say which file ${path} is.`);
  }
  return { bytes: Number(length), etag, sha256: digestOf(response) };
}

/**
 * Downloads a file beside the place where it shall be, and verifies it. A connection that breaks is taken up where it
 * broke (`Range`, `If-Range`); so is, by a later run, a download that was stopped. The caller commits or discards it.
 * @param path at the worker
 * @param to where the file shall be
 * @throws ApiError; Failure `bad-input` where the bytes are not those of the digest: nothing is kept then; `unreachable`,
 *   `resume-me`, `interrupted` where it stopped in the middle: what has come is kept
 */
export async function download(
  worker: RemoteWorker,
  path: string,
  to: string,
  { signal, awaitsDigest = true, onProgress = () => undefined, onLength }: DownloadOptions,
): Promise<DownloadedFile> {
  const file = await describeFile(worker, path);
  onLength?.(file.bytes);
  const partial = await openPartial(to, `${worker.origin}${path} ${file.etag}`, file.bytes, onProgress);
  const resumedFrom = partial.length;
  try {
    for (let fruitless = 0; partial.length < file.bytes;) {
      const before = partial.length;
      const broken = await receive(worker, path, file, partial, onProgress);
      fruitless = partial.length > before ? 0 : fruitless + 1;
      if (partial.length >= file.bytes) break;
      if (fruitless === FRUITLESS_ATTEMPTS) throw broken ?? new TypeError("the answer ended early");
      await worker.wait(FIRST_PAUSE_MS * 2 ** fruitless);
    }
    const sha256 = partial.digest();
    const expected = awaitsDigest ? await expectedDigest(worker, path, file) : file.sha256;
    if (expected !== undefined && expected !== sha256) {
      await partial.discard();
      throw new Failure(
        "bad-input",
        `${path} arrived with SHA-256 ${sha256}, and should have ${expected}; nothing was kept. Pull it again.`,
      );
    }
    return { partial, bytes: file.bytes, sha256, verified: expected !== undefined, resumedFrom };
  } catch (error) {
    // An empty beginning is none.
    await (partial.length === 0 ? partial.discard() : partial.close());
    throw explain(error, { worker, path, partial, bytes: file.bytes, signal });
  }
}

/** Takes in what one answer brings. @returns why it ended before the file did */
async function receive(
  { client }: RemoteWorker,
  path: string,
  { etag, bytes }: RemoteFile,
  partial: PartialFile,
  onProgress: (bytes: number) => void,
): Promise<unknown> {
  const range = partial.length === 0 ? {} : { range: `bytes=${partial.length}-`, "if-range": etag };
  const response = await client.open(path, { headers: { "accept-encoding": "identity", ...range } });
  const from =
    response.status === 206 ? Number(/^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1]) : 0;
  if (response.headers.get("etag") !== etag || (from !== 0 && from !== partial.length)) {
    await response.body?.cancel();
    throw new Failure("unreachable", `${path} changed while it was downloaded; pull it again.`);
  }
  if (from === 0 && partial.length > 0) {
    onProgress(-partial.length);
    await partial.reset();
  }
  try {
    for await (const chunk of response.body ?? []) {
      if (partial.length + chunk.length > bytes) throw new Failure("bad-input", `${path} is longer than announced.`);
      await partial.append(chunk);
      onProgress(chunk.length);
    }
    return undefined;
  } catch (error) {
    if (isNetworkError(error)) return error;
    throw error;
  }
}

/** The worker's digest, which it may come to know only by having been read. */
async function expectedDigest(worker: RemoteWorker, path: string, file: RemoteFile): Promise<string | undefined> {
  let { sha256 } = file;
  for (const pause of DIGEST_PAUSES_MS) {
    if (sha256 !== undefined) break;
    await worker.wait(pause);
    ({ sha256 } = await describeFile(worker, path));
  }
  return sha256;
}

interface Stopped {
  readonly worker: RemoteWorker;
  readonly path: string;
  readonly partial: PartialFile;
  readonly bytes: number;
  readonly signal: AbortSignal;
}

/** Says what is kept, and how to go on. */
function explain(error: unknown, { worker, path, partial, bytes, signal }: Stopped): unknown {
  const kept =
    partial.length === 0
      ? "nothing had come yet."
      : `${byteSize(partial.length)} of ${byteSize(bytes)} are kept; the same command goes on from there.`;
  if (signal.aborted) {
    // Whoever asked for the end by SIGTERM is a scheduler, which may run the same command again.
    const isByHand = signal.reason instanceof Failure && signal.reason.kind === "interrupted";
    return new Failure(isByHand ? "interrupted" : "resume-me", `Stopped: ${kept}`, { cause: signal.reason });
  }
  if (isNetworkError(error)) {
    return new Failure("unreachable", `${worker.origin}${path}: the connection broke (${reason(error)}): ${kept}`, {
      cause: error,
    });
  }
  return error;
}

/** `Repr-Digest: sha-256=:…:` (RFC 9530) as hex. */
function digestOf(response: Response): string | undefined {
  const base64 = /(?:^|[,\s])sha-256=:([A-Za-z0-9+/=]{44}):/.exec(response.headers.get("repr-digest") ?? "")?.[1];
  return base64 === undefined ? undefined : Buffer.from(base64, "base64").toString("hex");
}
