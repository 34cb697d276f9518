import { Problem } from "../../shared/problem.ts";
import {
  forgetPart,
  listUploadedParts,
  recordUploadedPart,
  type UploadedPart,
  type UploadRecord,
} from "../catalog/uploads.ts";
import type { Environment } from "../environment.ts";
import { PassingDigest } from "../objects/digest.ts";
import { drain } from "../objects/drain.ts";
import { mismatch } from "../objects/receive.ts";
import { expiryAfter, multipartOf, partLayout, requireUpload, uploadKey } from "./upload.ts";

export interface IncomingPart {
  readonly number: number;
  readonly body: ReadableStream<Uint8Array>;
  /** As announced. */
  readonly length: number | undefined;
  /** SHA-256 of the part that the sender announced, hex. */
  readonly announced: string | undefined;
}

/**
 * Receives a part, hashed while it passes on to the bucket. Sent again, it takes the place of the earlier one; where the
 * sender announces a digest that the part has already, nothing is stored again.
 * Nothing is entered of a part that is cut off or is not what was announced.
 * @throws Problem `upload-finished`, `invalid-part`, `digest-mismatch`
 */
export async function receivePart(
  { BUCKET, CATALOG }: Pick<Environment, "BUCKET" | "CATALOG">,
  upload: UploadRecord,
  { number, body, length, announced }: IncomingPart,
  now: () => Date,
): Promise<UploadedPart> {
  if (upload.result !== null) throw finished(upload);
  const expected = expectedLength(upload, number);
  if (length !== undefined && length !== expected) throw wrongLength(number, expected, length);
  const known = (await listUploadedParts(CATALOG, upload.id)).find((part) => part.number === number);
  if (known !== undefined && announced === known.sha256) {
    await drain(body.getReader());
    return known;
  }

  const { part, sha256 } = await pass(BUCKET, upload, { number, body, expected });
  if (announced !== undefined && announced !== sha256) {
    // It has taken the place of the earlier one in the bucket.
    if (known !== undefined) await forgetPart(CATALOG, upload.id, number);
    throw mismatch(announced, sha256);
  }
  const uploaded: UploadedPart = { number, etag: part.etag, sha256, bytes: expected };
  if (!(await recordUploadedPart(CATALOG, upload.id, uploaded, expiryAfter(now())))) {
    // Ended while the part arrived, one way or the other.
    await requireUpload(CATALOG, upload.id, now());
    throw finished(upload);
  }
  return uploaded;
}

/** Sends a body on to the bucket, which wants to know its length beforehand. */
async function pass(
  bucket: R2Bucket,
  upload: UploadRecord,
  { number, body, expected }: { number: number; body: ReadableStream<Uint8Array>; expected: number },
): Promise<{ part: R2UploadedPart; sha256: string }> {
  const digest = new PassingDigest();
  const reader = body.getReader();
  const pipe = new FixedLengthStream(expected);
  const writer = pipe.writable.getWriter();
  const stored = multipartOf(bucket, upload).uploadPart(number, pipe.readable);
  // Observed below; until then a rejection must not count as unhandled.
  stored.catch(() => undefined);
  let bytes = 0;
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      bytes += step.value.length;
      if (bytes > expected) throw wrongLength(number, expected, bytes);
      await digest.write(step.value);
      // A bucket that fails stops reading, and the write would wait for ever.
      await Promise.race([writer.write(step.value), stored]);
    }
    if (bytes < expected) throw wrongLength(number, expected, bytes);
    await Promise.race([writer.close(), stored]);
    return { part: await stored, sha256: await digest.finish() };
  } catch (error) {
    digest.abandon();
    await writer.abort(error).catch(() => undefined);
    await stored.catch(() => undefined);
    await drain(reader);
    // The bucket takes no parts once it has put them together.
    if (!(error instanceof Problem) && (await bucket.head(uploadKey(upload.id))) !== null) throw finished(upload);
    throw error;
  }
}

function expectedLength(upload: UploadRecord, number: number): number {
  const { count, lengthOf } = partLayout(upload);
  if (number <= count) return lengthOf(number);
  throw new Problem("invalid-part", `The upload has ${count} parts; there is no part ${number}.`, { parts: count });
}

function wrongLength(number: number, expected: number, actual: number): Problem {
  return new Problem("invalid-part", `Part ${number} has ${expected} bytes, not ${actual}.`, {
    part: number,
    expectedBytes: expected,
    actualBytes: actual,
  });
}

function finished({ id }: UploadRecord): Problem {
  return new Problem("upload-finished", `Upload ${id} has all its bytes.`, { upload: id });
}
