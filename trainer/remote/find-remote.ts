import { ApiError } from "../../shared/api/index.ts";
import { checkpointId, type CheckpointId, type ModelId } from "../../shared/identity.ts";
import { Failure } from "../failure.ts";
import type { RemoteWorker } from "./connect.ts";
import type { Reference } from "./reference.ts";

/** A model with the names of its files, or a checkpoint. */
export type RemoteThing =
  | { readonly kind: "model"; readonly id: ModelId; readonly files: readonly string[] }
  | { readonly kind: "checkpoint"; readonly id: CheckpointId };

/**
 * Finds what a reference stands for; an id is that of a model or of a checkpoint.
 * @throws Failure `refused` where there is none, or none for this token
 */
export async function findRemote(worker: RemoteWorker, reference: Reference): Promise<RemoteThing> {
  if (reference.kind === "alias") {
    const { name, revision } = reference;
    return worker.ask(`find ${name}@${revision}`, () => describeModel(worker, name, revision));
  }
  const { id } = reference;
  return worker.ask(`find ${id}`, async () => {
    try {
      return await describeModel(worker, `models/${id}`, "main");
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "model-not-found") throw error;
    }
    if (worker.token === undefined) {
      throw new Failure(
        "refused",
        `${worker.origin} has no public model ${id}; set EDGEFUSE_TOKEN for private models and checkpoints.`,
      );
    }
    const { id: found } = await describeCheckpoint(worker, checkpointId.parse(id));
    return { kind: "checkpoint", id: found } as const;
  });
}

async function describeModel({ client }: RemoteWorker, name: string, revision: string): Promise<RemoteThing> {
  const { sha, siblings } = await client.describeRepository(name, revision);
  return { kind: "model", id: sha, files: siblings.map(({ rfilename }) => rfilename) };
}

async function describeCheckpoint({ client, origin }: RemoteWorker, id: CheckpointId) {
  try {
    return await client.describeCheckpoint(id);
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "checkpoint-not-found") throw error;
    throw new Failure("refused", `${origin} has neither a model nor a checkpoint ${id}.`);
  }
}

/** Whether the worker has a checkpoint; false also where this token may not ask. */
export async function hasCheckpoint({ client, ask }: RemoteWorker, id: CheckpointId): Promise<boolean> {
  return ask(`describe ${id}`, async () => {
    try {
      await client.describeCheckpoint(id);
      return true;
    } catch (error) {
      if (error instanceof ApiError && (error.status === 403 || error.code === "checkpoint-not-found")) return false;
      throw error;
    }
  });
}
