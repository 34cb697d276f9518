import { fuseRange } from "../../shared/fusion/index.ts";
import { readExactly } from "../../shared/fusion/read-input.ts";
import type { CheckpointId, ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { parseHeader, readHeaderLength, type SafetensorsHeader } from "../../shared/safetensors/index.ts";
import { findCheckpoint } from "../catalog/checkpoints.ts";
import { engineOf } from "../engine/engine.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { planOf } from "../fusing/lazy.ts";
import { findFused, servable, type ServedModel } from "../fusing/served-model.ts";
import { statisticsOf } from "../fusing/statistics.ts";
import { modelKey } from "../objects/keys.ts";
import { openCheckpoint } from "../objects/open-checkpoint.ts";
import { ObjectSource, readStoredHeader } from "../objects/source.ts";

/** A set of weights: a checkpoint, in one file or sharded, or a fused model, stored or computed while it is read. */
export type Endpoint =
  | { readonly kind: "checkpoint"; readonly id: CheckpointId; readonly bytes: number }
  | { readonly kind: "model"; readonly id: ModelId; readonly bytes: number; readonly served: ServedModel };

/**
 * @throws Problem `checkpoint-not-found` where the id is neither a checkpoint nor a model; `model-not-found`,
 *   `fusion-cancelled` for a model that there is nothing to read of
 */
export async function findEndpoint(catalog: D1Database, id: string): Promise<Endpoint> {
  const checkpoint = await findCheckpoint(catalog, id as CheckpointId);
  if (checkpoint !== undefined) return { kind: "checkpoint", id: checkpoint.id, bytes: checkpoint.bytes };
  const found = await findFused(catalog, id as ModelId);
  if (found === undefined) {
    throw new Problem("checkpoint-not-found", `There is no checkpoint or model ${id}.`, { checkpoint: id });
  }
  const served = servable(id as ModelId, found);
  const { bytes } = served.kind === "stored" ? served.record : served.fusion;
  return { kind: "model", id: id as ModelId, bytes, served };
}

/** An endpoint whose header is read. */
export interface OpenEndpoint {
  readonly id: CheckpointId | ModelId;
  readonly header: SafetensorsHeader;
  /** Reads the data section whole: `header.fileLength - header.dataOffset` bytes. */
  readData(): Promise<Uint8Array<ArrayBuffer>>;
}

/** @throws Problem `object-not-found`, `input-changed`, `malformed-safetensors`; what planning a model throws */
export async function openEndpoint(environment: Environment, endpoint: Endpoint): Promise<OpenEndpoint> {
  const { id } = endpoint;
  if (endpoint.kind === "checkpoint") {
    const { header, source } = (await openCheckpoint(environment, endpoint.id)).input;
    return { id, header, readData: () => readExactly(source, header.dataOffset, header.fileLength) };
  }
  if (endpoint.served.kind === "stored") {
    const source = new ObjectSource(environment.BUCKET, modelKey(endpoint.id));
    const header = await readStoredHeader(source, endpoint.bytes);
    return { id, header, readData: () => readExactly(source, header.dataOffset, header.fileLength) };
  }
  return openComputed(environment, endpoint.id, endpoint.served);
}

/** A model that is not stored: its bytes are fused when they are wanted. */
async function openComputed(
  environment: Environment,
  id: ModelId,
  { fusion }: Extract<ServedModel, { kind: "computed" }>,
): Promise<OpenEndpoint> {
  const { plan } = await planOf(environment, fusion);
  const engine = await engineOf(limitsOf(environment).memoryBudgetBytes);
  const { dataOffset, fileLength, headerBytes } = plan.layout;
  const header = parseHeader(headerBytes.subarray(8, 8 + readHeaderLength(headerBytes, fileLength)), fileLength);
  const readData = async () => {
    const found = await statisticsOf(environment.BUCKET, id, plan, engine);
    const statistics = found === undefined ? {} : { statistics: found.statistics };
    const data = new Uint8Array(fileLength - dataOffset);
    let at = 0;
    for await (const chunk of fuseRange(plan, engine, { begin: dataOffset, end: fileLength, ...statistics })) {
      data.set(chunk, at);
      at += chunk.length;
    }
    return data;
  };
  return { id, header, readData };
}
