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
  /** Deletes the file of this digest, unless the catalog knows it. */
  discard(sha256: string): Promise<unknown>;
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
  { bucket, keyOf, discard }: ReceiveOptions,
  announced: string,
  length: number,
): Promise<ReceivedFile> {
  const key = keyOf(announced);
  if ((await bucket.head(key)) !== null) {
    // Only verified: writing it again would make another version of the object, which running fusions do not expect.
    for (let step = await reader.read(); !step.done; step = await reader.read()) await inspection.write(step.value);
    const file = await inspection.finish();
    if (file.sha256 !== announced) throw mismatch(announced, file.sha256);
    return { ...file, stored: false };
  }
  const pipe = new FixedLengthStream(length);
  const writer = pipe.writable.getWriter();
  const stored = bucket.put(key, pipe.readable, { sha256: announced });
  // Observed below; until then a rejection must not count as unhandled.
  stored.catch(() => undefined);
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      await inspection.write(step.value);
      // A bucket that fails stops reading, and the write would wait for ever.
      await Promise.race([writer.write(step.value), stored]);
    }
    const file = await inspection.finish();
    if (file.sha256 !== announced) throw mismatch(announced, file.sha256);
    await Promise.race([writer.close(), stored]);
    await stored;
    return { ...file, stored: true };
  } catch (error) {
    await writer.abort(error).catch(() => undefined);
    await stored.catch(() => undefined);
    // It was the bucket that failed, perhaps after it had stored all of it.
    if (!(error instanceof Problem)) await discard(announced).catch(() => undefined);
    throw error;
  }
}

/** Collects parts of equal size. A file of one part is stored at once, a longer one by way of a staging object. */
async function collect(reader: Reader, inspection: PassingInspection, options: ReceiveOptions): Promise<ReceivedFile> {
  const { bucket, budget, announced, keyOf } = options;
  const put = (sha256: string, bytes: Uint8Array) =>
    putOrDiscard(options, sha256, () => bucket.put(keyOf(sha256), bytes, { sha256 }));
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
      if (!isKnown) await put(file.sha256, part.subarray(0, filled));
    } else if (!isKnown) {
      await staging.add(part.subarray(0, filled));
      await staging.complete();
      await copyObject(options, staging.key, file.sha256);
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
  #state: "open" | "completing" | "complete" = "open";

  private constructor(bucket: R2Bucket, upload: R2MultipartUpload) {
    this.#bucket = bucket;
    this.#upload = upload;
  }

  static async begin(bucket: R2Bucket, key: string): Promise<StagingUpload> {
    return new StagingUpload(bucket, await bucket.createMultipartUpload(key));
  }

  get key(): string {
    return this.#upload.key;
  }

  async add(part: Uint8Array): Promise<void> {
    this.#parts.push(await this.#upload.uploadPart(this.#parts.length + 1, part));
  }

  async complete(): Promise<void> {
    // The bucket may do it, and its answer be lost.
    this.#state = "completing";
    await this.#upload.complete(this.#parts);
    this.#state = "complete";
  }

  /** Never fails: what is left after some attempts, the sweep and R2's own rules find. */
  async discard(): Promise<void> {
    if (this.#state !== "open") await insist(() => this.#bucket.delete(this.#upload.key));
    if (this.#state !== "complete") await insist(() => this.#upload.abort());
  }
}

const INSISTENCE = 3;

/** Repeats what can be repeated, and gives up without a word. */
async function insist(work: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; attempt <= INSISTENCE; attempt++) {
    try {
      await work();
      return;
    } catch {
      // Once more.
    }
  }
}

type Place = Pick<ReceiveOptions, "bucket" | "keyOf" | "discard">;

/** Puts a file under its digest. A put that fails may have stored it all the same; then it goes again. */
async function putOrDiscard({ discard }: Pick<Place, "discard">, sha256: string, put: () => Promise<unknown>) {
  try {
    await put();
  } catch (error) {
    await discard(sha256).catch(() => undefined);
    throw error;
  }
}

/** Copies an object to where its digest says; R2 refuses unless its bytes have the digest. */
export async function copyObject(place: Place, from: string, sha256: string): Promise<void> {
  const object = await place.bucket.get(from);
  if (object === null) {
    throw new Problem("object-not-found", `There is no object ${from} in the bucket.`, { key: from });
  }
  await putOrDiscard(place, sha256, () => place.bucket.put(place.keyOf(sha256), object.body, { sha256 }));
}

export function mismatch(announced: string, actual: string): Problem {
  return new Problem("digest-mismatch", `The bytes have SHA-256 ${actual}, not ${announced} as announced.`, {
    announced,
    actual,
  });
}
