import type { CheckpointId, ModelId } from "../../shared/identity.ts";
import { type Architecture, decodeWeights, readArchitecture, type Weights } from "../../shared/models/index.ts";
import { Problem } from "../../shared/problem.ts";
import { canonicalJson } from "../../shared/recipe/canonical-json.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { findCheckpoint, findComposite } from "../catalog/checkpoints.ts";
import { findModel } from "../catalog/models.ts";
import { checkpointKey, modelKey } from "../objects/keys.ts";

/** One end of a path: a checkpoint or a fused model, by where its file lies. */
export interface Endpoint {
  readonly id: string;
  readonly key: string;
  readonly bytes: number;
}

/** @throws Problem `checkpoint-not-found` where the id is neither a checkpoint nor a model */
export async function findEndpoint(catalog: D1Database, id: string): Promise<Endpoint> {
  const checkpoint = await findCheckpoint(catalog, id as CheckpointId);
  if (checkpoint !== undefined && (await findComposite(catalog, checkpoint.id)) !== undefined) {
    throw new Problem("form-unavailable", `Checkpoint ${id} is sharded; models of one file can be probed.`);
  }
  if (checkpoint !== undefined) return { id, key: checkpointKey(checkpoint.id), bytes: checkpoint.bytes };
  const model = await findModel(catalog, id as ModelId);
  if (model !== undefined) return { id, key: modelKey(model.id), bytes: model.bytes };
  throw new Problem("checkpoint-not-found", `There is no checkpoint or model ${id}.`, { checkpoint: id });
}

export interface LoadedEndpoint {
  readonly architecture: Architecture;
  readonly weights: Weights;
}

/**
 * Reads an endpoint whole and decodes it to float32.
 * @throws Problem `unknown-architecture`, `unsupported-dtype`
 */
export async function loadEndpoint(bucket: R2Bucket, { key }: Endpoint): Promise<LoadedEndpoint> {
  const object = await bucket.get(key);
  if (object === null) throw new Problem("object-not-found", `The bucket has lost ${key}.`, { key });
  const { header, bytes } = decodeSafetensors(new Uint8Array(await object.arrayBuffer()));
  return { architecture: readArchitecture(header.metadata), weights: decodeWeights(header, bytes) };
}

/** @throws Problem `incompatible-inputs` where two endpoints are not of one architecture */
export function commonArchitecture(a: LoadedEndpoint, b: LoadedEndpoint): Architecture {
  const [first, second] = [canonicalJson(a.architecture), canonicalJson(b.architecture)];
  if (first !== second) {
    throw new Problem("incompatible-inputs", `The models differ in architecture: ${first} and ${second}.`);
  }
  return a.architecture;
}
