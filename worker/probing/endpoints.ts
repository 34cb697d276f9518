import type { CheckpointId, ModelId } from "../../shared/identity.ts";
import { type Architecture, decodeWeights, readArchitecture, type Weights } from "../../shared/models/index.ts";
import { Problem } from "../../shared/problem.ts";
import { canonicalJson } from "../../shared/recipe/canonical-json.ts";
import { readExactly } from "../../shared/fusion/read-input.ts";
import type { ByteSource } from "../../shared/fusion/source.ts";
import type { SafetensorsHeader } from "../../shared/safetensors/index.ts";
import { findCheckpoint } from "../catalog/checkpoints.ts";
import { findModel } from "../catalog/models.ts";
import type { Environment } from "../environment.ts";
import { modelKey } from "../objects/keys.ts";
import { openCheckpoint } from "../objects/open-checkpoint.ts";
import { ObjectSource, readStoredHeader } from "../objects/source.ts";

type Bindings = Pick<Environment, "BUCKET" | "CATALOG">;

/** One end of a path: a checkpoint, in one file or sharded, or a fused model. */
export type Endpoint =
  | { readonly kind: "checkpoint"; readonly id: CheckpointId; readonly bytes: number }
  | { readonly kind: "model"; readonly id: ModelId; readonly bytes: number };

/** @throws Problem `checkpoint-not-found` where the id is neither a checkpoint nor a model */
export async function findEndpoint(catalog: D1Database, id: string): Promise<Endpoint> {
  const checkpoint = await findCheckpoint(catalog, id as CheckpointId);
  if (checkpoint !== undefined) return { kind: "checkpoint", id: checkpoint.id, bytes: checkpoint.bytes };
  const model = await findModel(catalog, id as ModelId);
  if (model !== undefined) return { kind: "model", id: model.id, bytes: model.bytes };
  throw new Problem("checkpoint-not-found", `There is no checkpoint or model ${id}.`, { checkpoint: id });
}

export interface LoadedEndpoint {
  readonly architecture: Architecture;
  readonly weights: Weights;
}

/**
 * Reads an endpoint whole, one read a file, and decodes it to float32.
 * @throws Problem `unknown-architecture`, `unsupported-dtype`, `object-not-found`, `input-changed`
 */
export async function loadEndpoint(bindings: Bindings, endpoint: Endpoint): Promise<LoadedEndpoint> {
  const { header, source } = await openEndpoint(bindings, endpoint);
  const architecture = readArchitecture(header.metadata);
  const data = await readExactly(source, header.dataOffset, header.fileLength);
  return { architecture, weights: decodeWeights(header, ({ begin, end }) => data.subarray(begin, end)) };
}

async function openEndpoint(
  bindings: Bindings,
  endpoint: Endpoint,
): Promise<{ readonly header: SafetensorsHeader; readonly source: ByteSource }> {
  if (endpoint.kind === "checkpoint") return (await openCheckpoint(bindings, endpoint.id)).input;
  const source = new ObjectSource(bindings.BUCKET, modelKey(endpoint.id));
  return { header: await readStoredHeader(source, endpoint.bytes), source };
}

/** @throws Problem `incompatible-inputs` where two endpoints are not of one architecture */
export function commonArchitecture(a: LoadedEndpoint, b: LoadedEndpoint): Architecture {
  const [first, second] = [canonicalJson(a.architecture), canonicalJson(b.architecture)];
  if (first !== second) {
    throw new Problem("incompatible-inputs", `The models differ in architecture: ${first} and ${second}.`);
  }
  return a.architecture;
}
