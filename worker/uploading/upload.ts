import type * as z from "zod";
import { type createUploadRequest, MAX_UPLOAD_BYTES, type UploadId } from "../../shared/api/uploads.ts";
import { Problem } from "../../shared/problem.ts";
import { deleteUpload, findUpload, insertUpload, recordMultipart, type UploadRecord } from "../catalog/uploads.ts";
import type { Environment } from "../environment.ts";
import { tooLarge } from "../objects/inspect.ts";
import { stagingKey } from "../objects/keys.ts";
import { cleanName } from "../objects/names.ts";
import { MAX_SHARD_BYTES } from "../registering/shards.ts";

type Bindings = Pick<Environment, "BUCKET" | "CATALOG">;

/** R2 ends multipart uploads after seven days; ours end before, and each part that arrives puts their end off. */
const LIFE_MS = 3 * 24 * 3600 * 1000;

/** R2 wants parts of equal size and at least 5 MiB; whoever sends them over a bad line wants them small. */
const SMALLEST_PART = 8 * 2 ** 20;
const LEAST_PART = 5 * 2 ** 20;
/** So that the list of them stays short. */
const MOST_PARTS = 128;

/** Where the bytes of an upload wait until they are verified. */
export const uploadKey = (id: UploadId) => stagingKey(`uploads/${id}`);

/** When an upload ends that nobody goes on with. */
export const expiryAfter = (at: Date) => new Date(at.getTime() + LIFE_MS).toISOString();

/** Number of parts, and the length of each. */
export function partLayout({ bytes, partBytes }: Pick<UploadRecord, "bytes" | "partBytes">) {
  const count = Math.ceil(bytes / partBytes);
  return { count, lengthOf: (number: number) => (number < count ? partBytes : bytes - (count - 1) * partBytes) };
}

/**
 * Size of the parts: few of them, in whole MiB, and none larger than a request may be.
 * @param maxRequestBytes what a request may carry
 */
export function partBytesFor(bytes: number, maxRequestBytes: number): number {
  const even = Math.ceil(bytes / MOST_PARTS / 2 ** 20) * 2 ** 20;
  return Math.max(LEAST_PART, Math.min(Math.max(SMALLEST_PART, even), maxRequestBytes));
}

/**
 * Begins an upload: a row, then a multipart upload in the bucket.
 * @throws Problem `payload-too-large`
 */
export async function beginUpload(
  { BUCKET, CATALOG }: Bindings,
  request: z.output<typeof createUploadRequest>,
  facts: { readonly id: UploadId; readonly at: Date; readonly by: string; readonly maxRequestBytes: number },
): Promise<UploadRecord> {
  const limit = request.kind === "shard" ? MAX_SHARD_BYTES : MAX_UPLOAD_BYTES;
  if (request.bytes > limit) throw tooLarge(limit);
  const { id, at } = facts;
  const upload: UploadRecord = {
    id,
    kind: request.kind,
    bytes: request.bytes,
    partBytes: partBytesFor(request.bytes, facts.maxRequestBytes),
    sha256: request.sha256 ?? null,
    name: request.name === undefined ? null : cleanName(request.name),
    multipartId: null,
    result: null,
    createdAt: at.toISOString(),
    createdBy: facts.by,
    expiresAt: expiryAfter(at),
  };
  let multipart: R2MultipartUpload | undefined;
  try {
    await insertUpload(CATALOG, upload);
    multipart = await BUCKET.createMultipartUpload(uploadKey(id));
    await recordMultipart(CATALOG, id, multipart.uploadId);
    return { ...upload, multipartId: multipart.uploadId };
  } catch (error) {
    await multipart?.abort().catch(() => undefined);
    await deleteUpload(CATALOG, id).catch(() => undefined);
    throw error;
  }
}

/** @throws Problem `upload-not-found`, also where it has expired */
export async function requireUpload(catalog: D1Database, id: UploadId, at: Date): Promise<UploadRecord> {
  const upload = await findUpload(catalog, id);
  if (upload === undefined || upload.expiresAt <= at.toISOString()) {
    throw new Problem("upload-not-found", `There is no upload ${id}, or not any longer.`, { upload: id });
  }
  return upload;
}

/** The bucket's side of an upload that is under way. @throws Problem `upload-not-found` where it was never begun */
export function multipartOf(bucket: R2Bucket, { id, multipartId }: UploadRecord): R2MultipartUpload {
  if (multipartId === null) {
    throw new Problem("upload-not-found", `Upload ${id} was not begun; begin another one.`, { upload: id });
  }
  return bucket.resumeMultipartUpload(uploadKey(id), multipartId);
}

/** R2's error for a multipart upload that has ended (NoSuchUpload). Its message ends with its code. */
export function isUnknownUpload(error: unknown): boolean {
  return error instanceof Error && error.message.includes("(10024)");
}

/** Ends an upload, whatever it has come to: nothing of it remains but what it has become. */
export async function discardUpload({ BUCKET, CATALOG }: Bindings, upload: UploadRecord): Promise<void> {
  if (upload.multipartId !== null) {
    try {
      await multipartOf(BUCKET, upload).abort();
    } catch (error) {
      // Completed or aborted before: either way there is nothing left to abort.
      if (!isUnknownUpload(error)) throw error;
    }
  }
  await BUCKET.delete(uploadKey(upload.id));
  await deleteUpload(CATALOG, upload.id);
}
