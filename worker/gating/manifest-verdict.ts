import type { GateDescription } from "../../shared/api/gates.ts";
import { manifestKey } from "../objects/keys.ts";
import { sha256Hex } from "../objects/digest.ts";
import type { ModelId } from "../../shared/identity.ts";

/**
 * A verdict as a member of a manifest. The stored manifest is the fusion's and never changes; what is served has the
 * verdict appended, byte by byte: so the verdict, its digest and the model's visibility change in one transaction.
 */
export interface ManifestVerdict {
  /** JSON of a gate. */
  readonly text: string;
  /** Of the manifest with it. */
  readonly sha256: string;
}

/** What is served: the manifest with one more member, `gate`. @param manifest a JSON object with members */
export function withVerdict(manifest: Uint8Array, { text }: Pick<ManifestVerdict, "text">): Uint8Array<ArrayBuffer> {
  const ending = new TextEncoder().encode(endingOf(text));
  const all = new Uint8Array(manifest.length - 1 + ending.length);
  all.set(manifest.subarray(0, -1));
  all.set(ending, manifest.length - 1);
  return all;
}

/** Bytes of the manifest with a verdict. @param manifestBytes without it */
export function bytesWithVerdict(manifestBytes: number, { text }: Pick<ManifestVerdict, "text">): number {
  return manifestBytes - 1 + new TextEncoder().encode(endingOf(text)).length;
}

const endingOf = (text: string) => `,"gate":${text}}`;

/** Reads a stored manifest and says what it becomes with a verdict. */
export async function verdictOf(bucket: R2Bucket, model: ModelId, gate: GateDescription): Promise<ManifestVerdict> {
  const text = JSON.stringify(gate);
  return { text, sha256: await sha256Hex(withVerdict(await readManifest(bucket, model), { text })) };
}

/** The manifest as it is stored. */
export async function readManifest(bucket: R2Bucket, model: ModelId): Promise<Uint8Array> {
  const object = await bucket.get(manifestKey(model));
  if (object === null) throw new Error(`${manifestKey(model)} was there a moment ago`);
  return new Uint8Array(await object.arrayBuffer());
}
