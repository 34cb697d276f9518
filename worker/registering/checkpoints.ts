import { readAlignment } from "../../shared/alignment/metadata.ts";
import type { CheckpointDescription } from "../../shared/api/checkpoints.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import type { SafetensorsHeader } from "../../shared/safetensors/index.ts";
import { beingDeleted, forgetCheckpoint, insertCheckpoint, requireCheckpoint } from "../catalog/checkpoints.ts";
import { discardUnknown } from "../deleting/delete.ts";
import type { Environment } from "../environment.ts";
import { describeCheckpoint, summarizeCheckpoint } from "../objects/describe-checkpoint.ts";
import type { InspectedFile } from "../objects/inspect.ts";
import { checkpointKey } from "../objects/keys.ts";

export interface Registered<Description> {
  readonly body: Description;
  /** False where the catalog knew it before. */
  readonly isNew: boolean;
}

export interface StoredFile extends InspectedFile {
  /** Whether this request put it into the bucket; then it takes it out again where the catalog fails. */
  readonly stored: boolean;
}

/** Training facts that cannot be read are refused at the door, not when someone relies on them. */
export function validateCheckpoint({ metadata }: SafetensorsHeader): void {
  readAlignment(metadata);
}

/** Where checkpoints lie, and how one goes that the catalog does not know. */
export function checkpointPlace(bindings: Pick<Environment, "BUCKET" | "CATALOG">, at: Date) {
  const keyOf = (sha256: string) => checkpointKey(sha256 as CheckpointId);
  return {
    bucket: bindings.BUCKET,
    keyOf,
    discard: (sha256: string) => discardUnknown(bindings, { table: "checkpoints", id: sha256, key: keyOf(sha256), at }),
  };
}

/**
 * Enters a checkpoint into the catalog whose object is in the bucket. Where that fails, an object that this request
 * stored goes again, so that nothing remains.
 * @throws Problem `being-deleted`
 */
export async function enterCheckpoint(
  bindings: Pick<Environment, "BUCKET" | "CATALOG">,
  { sha256, header, stored }: StoredFile,
  name: string | null,
  at: Date,
): Promise<Registered<CheckpointDescription>> {
  const { BUCKET, CATALOG } = bindings;
  const id = sha256 as CheckpointId;
  const key = checkpointKey(id);
  const summary = summarizeCheckpoint({ id, name }, header, at.toISOString());
  try {
    const isNew = await insertCheckpoint(CATALOG, summary);
    // Someone may have deleted the object between the time it was seen and the time it was entered.
    if ((await BUCKET.head(key)) === null) {
      await forgetCheckpoint(CATALOG, id);
      throw beingDeleted(id);
    }
    const entered = isNew ? summary : await requireCheckpoint(CATALOG, id);
    return { body: describeCheckpoint(entered, header), isNew };
  } catch (error) {
    if (stored && !isBeingDeleted(error)) await discardUnknown(bindings, { table: "checkpoints", id, key, at });
    throw error;
  }
}

/** Whoever is deleting it takes the object out. */
export function isBeingDeleted(error: unknown): boolean {
  return error instanceof Problem && error.code === "being-deleted";
}
