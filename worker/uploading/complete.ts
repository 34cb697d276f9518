import type { CompleteUploadRequest, UploadId, UploadResult } from "../../shared/api/uploads.ts";
import type { CheckpointId, ShardId } from "../../shared/identity.ts";
import { Problem, type ProblemCode } from "../../shared/problem.ts";
import { requireCheckpoint } from "../catalog/checkpoints.ts";
import { findUpload, finishUpload, forgetParts, listUploadedParts, type UploadRecord } from "../catalog/uploads.ts";
import { isolateBudget } from "../engine/budget.ts";
import { KeyedTurns } from "../engine/turns.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { inspectObject } from "../objects/adopt.ts";
import { sha256Hex } from "../objects/digest.ts";
import { describeCheckpoint } from "../objects/describe-checkpoint.ts";
import { openCheckpoint } from "../objects/open-checkpoint.ts";
import { copyObject, mismatch, PART_BYTES, receiveFile } from "../objects/receive.ts";
import {
  checkpointPlace,
  enterCheckpoint,
  type Registered,
  type StoredFile,
  validateCheckpoint,
} from "../registering/checkpoints.ts";
import { enterShard, requireShard, withShardMemory } from "../registering/shards.ts";
import { discardUpload, isUnknownUpload, multipartOf, partLayout, requireUpload, uploadKey } from "./upload.ts";

export interface Completion {
  readonly environment: Environment;
  readonly id: UploadId;
  readonly request: CompleteUploadRequest;
  now(): Date;
  /** A fresh name. */
  uniqueName(): string;
}

/** Problems that the sent bytes have, so that sending them again could not help. */
const FINAL: ReadonlySet<ProblemCode> = new Set([
  "digest-mismatch",
  "truncated-file",
  "malformed-safetensors",
  "invalid-metadata",
  "invalid-shard",
  "payload-too-large",
  "unsupported-dtype",
]);

/** Two who complete one upload in one isolate do so one after the other; across isolates both may work, to one end. */
const completing = new KeyedTurns<UploadId>(120_000);

/**
 * Puts the parts together, reads the file through, and enters it under its digest. Asked again, it answers again; where
 * the worker died in the middle, the next call goes on. Where the file is not what it should be, nothing remains of the
 * upload; any other failure leaves it as it was.
 * @throws Problem `upload-not-found`, `incomplete-upload`, `digest-mismatch`, `malformed-safetensors`, `truncated-file`,
 *   `invalid-metadata`, `invalid-shard`, `being-deleted`, `over-budget`
 */
export function completeUpload(completion: Completion): Promise<Registered<UploadResult>> {
  return completing.run(completion.id, () => complete(completion));
}

async function complete(completion: Completion): Promise<Registered<UploadResult>> {
  const { environment, id, request, now } = completion;
  const { BUCKET, CATALOG } = environment;
  const upload = await requireUpload(CATALOG, id, now());
  if (upload.result !== null) return describeFinished(environment, upload, upload.result);
  const staged = await assemble(environment, upload, request);
  try {
    const registered = await settle(completion, upload, staged);
    await finishUpload(CATALOG, id, registered.body.id);
    await BUCKET.delete(uploadKey(id));
    return registered;
  } catch (error) {
    // Another isolate may have come to the end, and taken the staged object away while it was read here.
    const current = await findUpload(CATALOG, id);
    if (typeof current?.result === "string") return describeFinished(environment, upload, current.result);
    if (error instanceof Problem && FINAL.has(error.code)) await discardUpload(environment, upload);
    throw error;
  }
}

/** What it was completed to. Whoever completed it may have died before the staged object was gone. */
async function describeFinished(
  environment: Environment,
  { id, kind }: UploadRecord,
  result: string,
): Promise<Registered<UploadResult>> {
  await environment.BUCKET.delete(uploadKey(id));
  return describeResult(environment, kind, result);
}

/** Makes the parts one object, unless that has been done. */
async function assemble(
  environment: Environment,
  upload: UploadRecord,
  { parts: named = [] }: CompleteUploadRequest,
): Promise<R2Object> {
  const { BUCKET, CATALOG } = environment;
  const key = uploadKey(upload.id);
  const before = await BUCKET.head(key);
  if (before !== null) return before;
  const etags = new Map((await listUploadedParts(CATALOG, upload.id)).map(({ number, etag }) => [number, etag]));
  for (const { number, etag } of named) etags.set(number, etag.replaceAll('"', ""));
  const { count } = partLayout(upload);
  const missing = Array.from({ length: count }, (_, index) => index + 1).filter((number) => !etags.has(number));
  if (missing.length > 0) throw incomplete(upload, missing);
  const parts = Array.from({ length: count }, (_, index) => ({
    partNumber: index + 1,
    etag: etags.get(index + 1) ?? "",
  }));
  try {
    return await multipartOf(BUCKET, upload).complete(parts);
  } catch (error) {
    // Someone else was faster, or the bucket has done it and its answer was lost.
    const after = await BUCKET.head(key);
    if (after !== null) return after;
    if (isUnknownUpload(error)) {
      // Neither parts nor object: it was refused before, and discarding it did not come to its end.
      await discardUpload(environment, upload);
      throw new Problem("upload-not-found", `There is no upload ${upload.id} any longer.`, { upload: upload.id });
    }
    if (!isRefusal(error)) throw error;
    await forgetParts(CATALOG, upload.id);
    throw incomplete(
      upload,
      parts.map(({ partNumber }) => partNumber),
      error,
    );
  }
}

/**
 * R2's errors for parts that it does not have, or not of that size: codes 10025 (InvalidPart), 10048 and 10011 (sizes), as
 * its messages end.
 */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && /\((10025|10048|10011)\)/.test(error.message);
}

function incomplete({ id }: UploadRecord, missing: readonly number[], cause?: unknown): Problem {
  const which = missing.slice(0, 20);
  return new Problem(
    "incomplete-upload",
    `Upload ${id} misses ${missing.length === 1 ? "part" : "parts"} ${which.join(", ")}${missing.length > 20 ? ", …" : ""}.`,
    { upload: id, missing: which, count: missing.length },
    cause === undefined ? {} : { cause },
  );
}

async function settle(
  completion: Completion,
  upload: UploadRecord,
  staged: R2Object,
): Promise<Registered<UploadResult>> {
  const { environment, now } = completion;
  const object = await environment.BUCKET.get(staged.key);
  if (object === null) throw new Error(`${staged.key} was there a moment ago`);
  if (object.size !== upload.bytes) {
    await object.body.cancel();
    const detail = `The parts come to ${object.size} bytes, not ${upload.bytes} as announced.`;
    throw new Problem(object.size < upload.bytes ? "truncated-file" : "digest-mismatch", detail);
  }
  if (upload.kind === "shard") {
    return withShardMemory(environment, object.size, async () => {
      const file = new Uint8Array(await object.arrayBuffer());
      const sha256 = await sha256Hex(file);
      if (upload.sha256 !== null && sha256 !== upload.sha256) throw mismatch(upload.sha256, sha256);
      return enterShard(environment, file, sha256, now());
    });
  }
  const file = await storeCheckpoint(completion, upload, object);
  return enterCheckpoint(environment, file, upload.name, now());
}

/** Copies the staged object to where its digest says, which the bucket verifies once more. */
async function storeCheckpoint(
  { environment, now, uniqueName }: Completion,
  upload: UploadRecord,
  object: R2ObjectBody,
): Promise<StoredFile> {
  const { BUCKET } = environment;
  const rules = { length: object.size, maxBytes: object.size, validate: validateCheckpoint };
  const place = checkpointPlace(environment, now());
  if (upload.sha256 !== null || object.size <= PART_BYTES) {
    // One pass: the digest is known beforehand, or the file is small enough to be held.
    return receiveFile(object.body as ReadableStream<Uint8Array>, {
      ...rules,
      ...place,
      budget: isolateBudget(limitsOf(environment).memoryBudgetBytes),
      announced: upload.sha256 ?? undefined,
      stagingName: uniqueName,
    });
  }
  const file = await inspectObject(object, rules);
  const isKnown = (await BUCKET.head(place.keyOf(file.sha256))) !== null;
  if (!isKnown) await copyObject(place, object.key, file.sha256);
  return { ...file, stored: !isKnown };
}

/** What was entered before, as it was described then. */
async function describeResult(
  environment: Environment,
  kind: UploadRecord["kind"],
  id: string,
): Promise<Registered<UploadResult>> {
  if (kind === "shard") return { body: await requireShard(environment.CATALOG, id as ShardId), isNew: false };
  const summary = await requireCheckpoint(environment.CATALOG, id as CheckpointId);
  const { input } = await openCheckpoint(environment, summary.id);
  return { body: describeCheckpoint(summary, input.header), isNew: false };
}
