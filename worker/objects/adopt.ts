import { Problem } from "../../shared/problem.ts";
import { type InspectionRules, type InspectedFile, PassingInspection } from "./inspect.ts";
import { announcedDigest, INCOMING_PREFIX } from "./keys.ts";
import { copyObject, mismatch } from "./receive.ts";

export interface AdoptOptions extends InspectionRules {
  readonly bucket: R2Bucket;
  /** Folder of canonical keys, which announce their digest. */
  readonly folder: "checkpoints" | "shards";
  keyOf(sha256: string): string;
  /** Deletes the file of this digest, unless the catalog knows it. */
  discard(sha256: string): Promise<unknown>;
}

export interface AdoptedFile extends InspectedFile {
  /** Whether it was copied to its canonical key. */
  readonly stored: boolean;
}

/**
 * Takes over an object that an S3 client put into the bucket: reads it through once, checks and hashes it.
 *
 * A canonical key announces a digest; an object that does not keep that promise is removed, or it would be served
 * under a name it has no right to. An object below `incoming/` announces nothing: it is copied to its canonical key, or
 * left as it is where it is refused, since it is the sender's to correct. The caller removes it once the catalog knows
 * the copy.
 * @throws Problem `invalid-key`, `object-not-found`, `digest-mismatch`, `malformed-safetensors`, `truncated-file`, and
 *   what `validate` throws
 */
export async function adoptObject(key: string, options: AdoptOptions): Promise<AdoptedFile> {
  const { bucket, folder } = options;
  const announced = announcedDigest(folder, key);
  if (announced === undefined && !isIncoming(key)) {
    throw new Problem(
      "invalid-key",
      `Objects are registered from ${folder}/<sha256>.safetensors or from below ${INCOMING_PREFIX}.`,
      { key },
    );
  }
  const object = await bucket.get(key);
  if (object === null) throw new Problem("object-not-found", `There is no object ${key} in the bucket.`, { key });
  try {
    const file = await inspectObject(object, options);
    if (announced === undefined) {
      const canonical = options.keyOf(file.sha256);
      const isKnown = (await bucket.head(canonical)) !== null;
      if (!isKnown) await copyObject(options, key, file.sha256);
      return { ...file, stored: !isKnown };
    }
    if (file.sha256 !== announced) {
      throw mismatch(announced, file.sha256);
    }
    return { ...file, stored: false };
  } catch (error) {
    if (announced !== undefined && error instanceof Problem && error.code !== "payload-too-large") {
      await deleteVersion(bucket, object);
    }
    throw error;
  }
}

function isIncoming(key: string): boolean {
  return key.startsWith(INCOMING_PREFIX) && key.length > INCOMING_PREFIX.length;
}

/** Reads an object through once: checks and hashes it. */
export async function inspectObject(object: R2ObjectBody, rules: InspectionRules): Promise<InspectedFile> {
  const inspection = new PassingInspection({ ...rules, length: object.size });
  const reader = (object.body as ReadableStream<Uint8Array>).getReader();
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) await inspection.write(step.value);
    return await inspection.finish();
  } catch (error) {
    inspection.abandon();
    await reader.cancel(error).catch(() => undefined);
    throw error;
  }
}

/** Deletes the object that was read, not one that has taken its place since. */
async function deleteVersion(bucket: R2Bucket, { key, etag }: R2Object): Promise<void> {
  const current = await bucket.head(key);
  if (current?.etag === etag) await bucket.delete(key);
}
