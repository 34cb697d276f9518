import type { CheckpointDescription } from "../checkpoints.ts";
import type { ShardDescription } from "../datasets.ts";
import type {
  CompleteUploadRequest,
  CreateUploadRequest,
  UploadDescription,
  UploadId,
  UploadPart,
  UploadResult,
} from "../uploads.ts";
import { ApiError } from "./api-error.ts";
import type { Connection, FileBody } from "./connection.ts";

/** Parts in flight. */
const PARALLEL_PARTS = 4;

/** Something whose parts can be read, in any order and again. */
export interface UploadSource {
  readonly bytes: number;
  /** @param end exclusive */
  read(begin: number, end: number): Promise<Uint8Array>;
}

export interface SendUploadOptions {
  /** An upload that was begun before: only what it lacks is sent. One that is gone, or is of another file, is begun anew. */
  readonly resume?: UploadId | undefined;
  /** Parts in flight. Each is held in memory. */
  readonly parallel?: number | undefined;
  /** Send parts to the bucket's own presigned URLs where the deployment offers them. Such parts are sent again on resuming. */
  readonly useUrls?: boolean | undefined;
  /** Called once it is known which upload this is, before anything is sent: its id is what to resume by. */
  readonly onOpen?: ((upload: UploadDescription) => Promise<void> | void) | undefined;
  /** Called with the bytes that have arrived since the last call; first with those of earlier runs. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

type CreateRequest<Kind extends "checkpoint" | "shard"> = Omit<CreateUploadRequest, "bytes"> & { readonly kind: Kind };

/**
 * Uploads in parts, for files of any size and connections that break.
 * @example
 * ```ts
 * const source = { bytes: blob.size, read: async (begin, end) => new Uint8Array(await blob.slice(begin, end).arrayBuffer()) };
 * const checkpoint = await client.uploads.send(source, { kind: "checkpoint", sha256 });
 * ```
 */
export class UploadCalls {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  create(request: CreateUploadRequest): Promise<UploadDescription> {
    return this.#connection.json("POST", "/v1/uploads", { body: request, once: true });
  }

  get(id: UploadId): Promise<UploadDescription> {
    return this.#connection.json("GET", `/v1/uploads/${id}`);
  }

  /** Sends one part; sending it again replaces it. @param number from 1 */
  putPart(id: UploadId, number: number, bytes: FileBody): Promise<UploadPart> {
    return this.#connection.json("PUT", `/v1/uploads/${id}/parts/${number}`, { body: bytes });
  }

  /** Ends an upload: the file is verified and registered. Doing it again gives the same answer. */
  complete(id: UploadId, request: CompleteUploadRequest = {}): Promise<UploadResult> {
    return this.#connection.json("POST", `/v1/uploads/${id}/complete`, { body: request });
  }

  /** Gives an upload up; nothing of it remains. */
  abort(id: UploadId): Promise<void> {
    return this.#connection.delete(`/v1/uploads/${id}`);
  }

  /**
   * Uploads a file in parts, several at a time, and registers it. What fails leaves the upload open, to be resumed by
   * the id that `onOpen` told.
   * @throws ApiError `digest-mismatch`, `malformed-safetensors` …; what the source or `fetch` throws
   */
  send(
    source: UploadSource,
    request: CreateRequest<"checkpoint">,
    options?: SendUploadOptions,
  ): Promise<CheckpointDescription>;
  send(source: UploadSource, request: CreateRequest<"shard">, options?: SendUploadOptions): Promise<ShardDescription>;
  async send(
    source: UploadSource,
    request: CreateRequest<"checkpoint" | "shard">,
    { resume, parallel = PARALLEL_PARTS, useUrls = false, onOpen, onProgress }: SendUploadOptions = {},
  ): Promise<UploadResult> {
    const whole = { ...request, bytes: source.bytes };
    const upload = (resume && (await this.#resumable(resume, whole))) ?? (await this.create(whole));
    await onOpen?.(upload);
    const { id, partBytes, received, urls = [] } = upload;
    onProgress?.(upload.state === "completed" ? source.bytes : received.reduce((sum, { bytes }) => sum + bytes, 0));
    if (upload.state === "completed") return this.complete(id);

    const arrived = new Set(received.map(({ number }) => number));
    const missing = Array.from({ length: upload.parts }, (_, index) => index + 1).filter((part) => !arrived.has(part));
    const addresses = new Map(useUrls ? urls.map(({ number, url }) => [number, url]) : []);
    const tags: { number: number; etag: string }[] = [];
    await inParallel(missing, parallel, async (number) => {
      const begin = (number - 1) * partBytes;
      // Both kinds of source give a buffer of its own, never a shared one.
      const bytes = (await source.read(begin, Math.min(source.bytes, begin + partBytes))) as Uint8Array<ArrayBuffer>;
      const url = addresses.get(number);
      if (url === undefined) await this.putPart(id, number, bytes);
      else tags.push({ number, etag: await this.#putDirectly(url, bytes) });
      onProgress?.(bytes.length);
    });
    const parts = tags.toSorted((a, b) => a.number - b.number);
    return this.complete(id, parts.length === 0 ? {} : { parts });
  }

  /** An upload begun before, if it still is there and is one of this file. */
  async #resumable(
    id: UploadId,
    { kind, bytes, sha256 }: Omit<CreateUploadRequest, "name">,
  ): Promise<UploadDescription | undefined> {
    try {
      const upload = await this.get(id);
      const isSame = upload.kind === kind && upload.bytes === bytes && upload.sha256 === (sha256 ?? null);
      return isSame ? upload : undefined;
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.status === 410)) return undefined;
      throw error;
    }
  }

  async #putDirectly(url: string, bytes: FileBody): Promise<string> {
    const response = await this.#connection.sendElsewhere(url, { method: "PUT", body: bytes });
    await response.body?.cancel();
    const etag = response.headers.get("etag");
    if (etag === null) throw new ApiError(`PUT ${new URL(url).origin}`, response.status, undefined);
    return etag;
  }
}

/** Does the work for every item, some at a time, in order. After a failure nothing more is begun. */
async function inParallel<Item>(
  items: readonly Item[],
  parallel: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  let hasFailed = false;
  const worker = async () => {
    for (const item of queue) {
      if (hasFailed) return;
      try {
        await work(item);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  // All are waited for, so that nothing is in flight when the caller hears of the failure.
  const ended = await Promise.allSettled(Array.from({ length: Math.min(parallel, items.length) }, worker));
  const failure = ended.find(({ status }) => status === "rejected");
  if (failure?.status === "rejected") throw failure.reason;
}
