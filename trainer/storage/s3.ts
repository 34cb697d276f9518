import { HeadObjectCommand, type HeadObjectCommandOutput, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { Failure } from "../failure.ts";
import type { OpenFile } from "../fusing/file-source.ts";
import { s3Failure, statusOf } from "./s3-failure.ts";
import type { S3Settings } from "./s3-settings.ts";

/** Files above this go up in parts of this size; R2 wants all parts but the last equal, and at least 5 MiB. */
export const PART_SIZE = 8 * 2 ** 20;
/** Parts in flight. */
const PARALLEL_PARTS = 4;
/** Tries of one request, with exponential back-off and jitter between (the SDK's standard mode). */
const ATTEMPTS = 5;

/**
 * An S3 client that works with R2, with its local stand-in and with AWS. Since 3.729 the SDK adds CRC32 trailers that
 * R2 does not take; WHEN_REQUIRED turns that off (aws-sdk-js-v3#6810), Content-MD5 and ETag do the checking instead.
 */
export function connectS3(settings: S3Settings, attempts = ATTEMPTS): S3Client {
  const { endpoint, region, accessKeyId, secretAccessKey, sessionToken } = settings;
  return new S3Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    maxAttempts: attempts,
    retryMode: "standard",
  });
}

export interface UploadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes up so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** What is uploaded: a file, of which a few parts are in memory at a time, or bytes. */
export type UploadSource = Pick<OpenFile, "bytes" | "read" | "checkUnchanged">;

/**
 * Uploads an object whose key says its content, so an object already there with the same size is taken for it.
 * An upload that fails leaves nothing: parts are aborted, and a single PUT is all or nothing.
 * @returns whether anything was sent
 * @throws Failure `refused` (bucket, credentials), `unreachable` (network, 5xx, damaged on the way), `bad-input` where the
 *   file has been written to since it was opened
 */
export async function uploadObject(
  client: S3Client,
  bucket: string,
  key: string,
  content: UploadSource | Uint8Array<ArrayBuffer>,
  { signal, onProgress }: UploadOptions = {},
): Promise<"uploaded" | "exists"> {
  const source = content instanceof Uint8Array ? sourceOf(content) : content;
  const { bytes } = source;
  try {
    const present = await headObject(client, bucket, key, signal);
    if (present?.ContentLength === bytes) return "exists";
    const digests: Buffer[] = [];
    const parts = partsOf(source, digests);
    if (bytes > PART_SIZE) await uploadInParts(client, bucket, key, parts, signal, onProgress);
    else await uploadWhole(client, bucket, key, (await parts.next()).value ?? new Uint8Array(), signal);
    signal?.throwIfAborted();
    await verify(client, bucket, key, { bytes, etag: etagOf(digests) }, signal);
    onProgress?.(bytes);
    return "uploaded";
  } catch (error) {
    signal?.throwIfAborted();
    throw s3Failure(error, bucket, key);
  }
}

function sourceOf(bytes: Uint8Array<ArrayBuffer>): UploadSource {
  return {
    bytes: bytes.length,
    read: async (begin, end) => bytes.subarray(begin, end),
    checkUnchanged: async () => undefined,
  };
}

/**
 * The parts of an object, one at least. The last is given only where the file is still what it was when it was opened, so
 * that an upload of anything else cannot be completed.
 * @param digests takes the MD5 of each part
 */
async function* partsOf(source: UploadSource, digests: Buffer[]): AsyncGenerator<Uint8Array, undefined> {
  for (let begin = 0; begin === 0 || begin < source.bytes; begin += PART_SIZE) {
    const end = Math.min(source.bytes, begin + PART_SIZE);
    const part = await source.read(begin, end);
    if (end === source.bytes) await source.checkUnchanged();
    digests.push(md5(part));
    yield part;
  }
}

async function headObject(
  client: S3Client,
  bucket: string,
  key: string,
  signal: AbortSignal | undefined,
): Promise<HeadObjectCommandOutput | undefined> {
  try {
    return await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), requestOptions(signal));
  } catch (error) {
    // A missing bucket looks the same to HEAD, which has no body; the PUT that follows tells them apart.
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

async function uploadWhole(
  client: S3Client,
  bucket: string,
  key: string,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const command = new PutObjectCommand({
    Bucket: bucket,
    Key: key,
    Body: bytes,
    ContentLength: bytes.length,
    ContentMD5: md5(bytes).toString("base64"),
    ContentType: "application/octet-stream",
  });
  await client.send(command, requestOptions(signal));
}

async function uploadInParts(
  client: S3Client,
  bucket: string,
  key: string,
  parts: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
  onProgress: ((bytes: number) => void) | undefined,
): Promise<void> {
  const upload = new Upload({
    client,
    params: {
      Bucket: bucket,
      Key: key,
      Body: Readable.from(parts, { highWaterMark: 1 }),
      ContentType: "application/octet-stream",
    },
    partSize: PART_SIZE,
    queueSize: PARALLEL_PARTS,
    leavePartsOnError: false,
  });
  upload.on("httpUploadProgress", ({ loaded }) => onProgress?.(loaded ?? 0));
  const abort = () => void upload.abort();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await upload.done();
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** Size always; the ETag where it is an MD5 (not under KMS encryption, where it is something else). */
async function verify(
  client: S3Client,
  bucket: string,
  key: string,
  sent: { readonly bytes: number; readonly etag: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  const stored = await headObject(client, bucket, key, signal);
  if (stored?.ContentLength !== sent.bytes) {
    const found = stored === undefined ? "is not there" : `has ${stored.ContentLength} bytes`;
    throw new Failure(
      "unreachable",
      `${key}: the stored object ${found} after uploading ${sent.bytes} bytes; push again.`,
    );
  }
  const encrypted = stored.ServerSideEncryption !== undefined && stored.ServerSideEncryption !== "AES256";
  const etag = stored.ETag?.replaceAll('"', "") ?? "";
  if (!encrypted && /^[0-9a-f]{32}(-\d+)?$/.test(etag) && etag !== sent.etag) {
    throw new Failure("unreachable", `${key}: the stored object has another MD5 than the file; push again.`);
  }
}

/**
 * The ETag that S3 gives: the MD5 of a single PUT; the MD5 of the parts' MD5s, and their number, after a multipart upload.
 * @param digests MD5 of each part
 */
export function etagOf(digests: readonly Buffer[]): string {
  const [only] = digests;
  if (only !== undefined && digests.length === 1) return only.toString("hex");
  return `${md5(Buffer.concat(digests)).toString("hex")}-${digests.length}`;
}

const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest();
const requestOptions = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { abortSignal: signal });
