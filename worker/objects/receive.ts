import type { MemoryBudget } from "../../shared/memory-budget.ts";
import { Problem } from "../../shared/problem.ts";
import { drain } from "./drain.ts";
import { type InspectedFile, type InspectionRules, PassingInspection } from "./inspect.ts";
import { stagingKey } from "./keys.ts";

/**
 * R2 wants parts of equal size, at least 5 MiB; up to one part a file is held whole instead.
 * @see https://developers.cloudflare.com/r2/objects/multipart-objects/
 */
export const PART_BYTES = 8 * 2 ** 20;

export interface ReceiveOptions extends InspectionRules {
  readonly bucket: R2Bucket;
  readonly budget: MemoryBudget;
  /** SHA-256 that the sender announced, in hex. */
  readonly announced: string | undefined;
  /** Where a file of this digest belongs. */
  keyOf(sha256: string): string;
  /** A fresh name for the staging object. */
  stagingName(): string;
}

export interface ReceivedFile extends InspectedFile {
  /** False where the bucket held the file already. */
  readonly stored: boolean;
}

/**
 * Receives a safetensors file: checked and hashed while it passes, stored under its digest only once it is whole and
 * right. Whatever goes wrong, nothing remains: small files are held until they are complete, files with an announced
 * digest go through one conditional `put`, which R2 verifies, all others through a staging object.
 * @throws Problem `malformed-safetensors`, `truncated-file`, `payload-too-large`, `digest-mismatch`, `over-budget`, and
 *   what `validate` throws
 */
export async function receiveFile(body: ReadableStream<Uint8Array>, options: ReceiveOptions): Promise<ReceivedFile> {
  const inspection = new PassingInspection(options);
  const reader = body.getReader();
  try {
    if (options.announced !== undefined && options.length !== undefined && options.length > PART_BYTES) {
      return await streamAnnounced(reader, inspection, options, options.announced, options.length);
    }
    return await collect(reader, inspection, options);
  } catch (error) {
    inspection.abandon();
    await drain(reader);
    throw error;
  }
}

type Reader = ReadableStreamDefaultReader<Uint8Array>;

/** Digest and length are known: one pass straight to the final key. R2 drops the object unless both come true. */
async function streamAnnounced(
  reader: Reader,
  inspection: PassingInspection,
  { bucket, keyOf }: ReceiveOptions,
  announced: string,
  length: number,
): Promise<ReceivedFile> {
  const key = keyOf(announced);
  const isKnown = (await bucket.head(key)) !== null;
  const pipe = new FixedLengthStream(length);
  const writer = pipe.writable.getWriter();
  const stored = bucket.put(key, pipe.readable, { sha256: announced });
  // Observed below; until then a rejection must not count as unhandled.
  stored.catch(() => undefined);
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      await inspection.write(step.value);
      await writer.write(step.value);
    }
    const file = await inspection.finish();
    if (file.sha256 !== announced) throw mismatch(announced, file.sha256);
    await writer.close();
    await stored;
    return { ...file, stored: !isKnown };
  } catch (error) {
    await writer.abort(error).catch(() => undefined);
    await stored.catch(() => undefined);
    throw error;
  }
}

/** Collects parts of equal size. A file of one part is stored at once, a longer one by way of a staging object. */
async function collect(reader: Reader, inspection: PassingInspection, options: ReceiveOptions): Promise<ReceivedFile> {
  const { bucket, budget, announced, keyOf } = options;
  const partBytes = Math.min(PART_BYTES, options.length ?? PART_BYTES);
  const lease = budget.take(partBytes);
  const part = new Uint8Array(partBytes);
  let filled = 0;
  let staging: StagingUpload | undefined;
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      await inspection.write(step.value);
      for (let rest = step.value; rest.length > 0;) {
        if (filled === part.length) {
          staging ??= await StagingUpload.begin(bucket, stagingKey(options.stagingName()));
          await staging.add(part);
          filled = 0;
        }
        const taken = rest.subarray(0, part.length - filled);
        part.set(taken, filled);
        filled += taken.length;
        rest = rest.subarray(taken.length);
      }
    }
    const file = await inspection.finish();
    if (announced !== undefined && file.sha256 !== announced) throw mismatch(announced, file.sha256);
    const key = keyOf(file.sha256);
    const isKnown = (await bucket.head(key)) !== null;
    if (staging === undefined) {
      if (!isKnown) await bucket.put(key, part.subarray(0, filled), { sha256: file.sha256 });
    } else {
      await staging.add(part.subarray(0, filled));
      if (!isKnown) await staging.moveTo(key, file.sha256);
    }
    return { ...file, stored: !isKnown };
  } finally {
    lease.release();
    await staging?.discard();
  }
}

/** A multipart upload under a name of its own. `discard` leaves nothing of it, at whatever stage it is. */
class StagingUpload {
  readonly #bucket: R2Bucket;
  readonly #upload: R2MultipartUpload;
  readonly #parts: R2UploadedPart[] = [];
  #isComplete = false;

  private constructor(bucket: R2Bucket, upload: R2MultipartUpload) {
    this.#bucket = bucket;
    this.#upload = upload;
  }

  static async begin(bucket: R2Bucket, key: string): Promise<StagingUpload> {
    return new StagingUpload(bucket, await bucket.createMultipartUpload(key));
  }

  async add(part: Uint8Array): Promise<void> {
    this.#parts.push(await this.#upload.uploadPart(this.#parts.length + 1, part));
  }

  /** Completes the upload and copies it to its place, where R2 checks the digest once more. */
  async moveTo(key: string, sha256: string): Promise<void> {
    await this.#upload.complete(this.#parts);
    this.#isComplete = true;
    await copyObject(this.#bucket, this.#upload.key, key, sha256);
  }

  async discard(): Promise<void> {
    if (this.#isComplete) await this.#bucket.delete(this.#upload.key);
    else await this.#upload.abort();
  }
}

/** Copies an object; R2 refuses unless its bytes have the digest. */
export async function copyObject(bucket: R2Bucket, from: string, to: string, sha256: string): Promise<void> {
  const object = await bucket.get(from);
  if (object === null) {
    throw new Problem("object-not-found", `There is no object ${from} in the bucket.`, { key: from });
  }
  await bucket.put(to, object.body, { sha256 });
}

export function mismatch(announced: string, actual: string): Problem {
  return new Problem("digest-mismatch", `The bytes have SHA-256 ${actual}, not ${announced} as announced.`, {
    announced,
    actual,
  });
}
