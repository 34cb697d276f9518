import { basename } from "node:path";
import { ApiError, type CheckpointDescription } from "../../shared/api/index.ts";
import { MAX_UPLOAD_BYTES } from "../../shared/api/uploads.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import type { CommandContext } from "../command-line/command.ts";
import { Failure } from "../failure.ts";
import { type ByteProgress, byteSize } from "../fusing/byte-progress.ts";
import { digestSource } from "../fusing/digest-source.ts";
import { type LocalCheckpoint, openCheckpoint } from "../fusing/open-checkpoint.ts";
import type { RemoteWorker } from "./connect.ts";
import { hasCheckpoint } from "./find-remote.ts";
import { uploadJournal } from "./upload-journal.ts";

/** Files up to this size go up in one request; larger ones in parts, which need not all be sent again. */
const ONE_REQUEST_BYTES = 8 * 2 ** 20;

/** While a file is hashed it goes by this id. */
const STAND_IN = "0".repeat(64) as CheckpointId;

/** A checkpoint that the worker has. */
export interface UploadedCheckpoint {
  readonly id: CheckpointId;
  readonly bytes: number;
  readonly upload: "uploaded" | "exists";
}

export interface UploadOptions {
  readonly environment: CommandContext["environment"];
  readonly signal: AbortSignal;
  readonly progress: ByteProgress;
}

/**
 * Uploads a checkpoint through the worker's API: a safetensors file as it is; a sharded checkpoint or TF.js model as the
 * one file that it comes to. What the worker has is not sent. An upload that broke off goes on where it stopped.
 * @throws Failure `bad-input` where it is no checkpoint; `refused`, `unreachable`
 */
export async function uploadCheckpoint(
  worker: RemoteWorker,
  path: string,
  { environment, signal, progress }: UploadOptions,
): Promise<UploadedCheckpoint> {
  const local = await openCheckpoint(path, STAND_IN);
  try {
    const { bytes, input } = local;
    progress.begin(`reading ${basename(path)}`, bytes);
    const id = await digestSource(input.source, bytes, { signal, onProgress: (read) => progress.advance(read) });
    progress.end();
    if (await hasCheckpoint(worker, id)) return { id, bytes, upload: "exists" };
    if (bytes > MAX_UPLOAD_BYTES) {
      throw new Failure(
        "bad-input",
        `${path} has ${byteSize(bytes)}, and one upload at most ${byteSize(MAX_UPLOAD_BYTES)}; push its shards one by one.`,
      );
    }
    const checkpoint = await worker.ask(`take ${path}`, async () => {
      const inParts = () => sendInParts(worker, local, id, { environment, signal, progress });
      return bytes > ONE_REQUEST_BYTES ? inParts() : sendWhole(worker, local, id, inParts);
    });
    if (checkpoint.id !== id) {
      throw new Failure("refused", `${path}: the worker registered ${checkpoint.id}, the file is ${id}.`);
    }
    return { id, bytes, upload: "uploaded" };
  } finally {
    await local.close();
  }
}

/** @param otherwise where the deployment takes no requests of this size */
async function sendWhole(
  { client }: RemoteWorker,
  { path, bytes, input, checkUnchanged }: LocalCheckpoint,
  sha256: string,
  otherwise: () => Promise<CheckpointDescription>,
): Promise<CheckpointDescription> {
  const file = (await input.source.read(0, bytes)) as Uint8Array<ArrayBuffer>;
  await checkUnchanged();
  try {
    return await client.uploadCheckpoint(file, { sha256, name: basename(path) });
  } catch (error) {
    if (error instanceof ApiError && error.code === "payload-too-large") return otherwise();
    throw error;
  }
}

async function sendInParts(
  { client, origin }: RemoteWorker,
  { path, bytes, input }: LocalCheckpoint,
  sha256: string,
  { environment, progress }: UploadOptions,
): Promise<CheckpointDescription> {
  const journal = uploadJournal(environment, origin, sha256);
  progress.begin(`pushing ${basename(path)}`, bytes);
  const source = { bytes, read: (begin: number, end: number) => input.source.read(begin, end) };
  const request = { kind: "checkpoint", sha256, name: basename(path) } as const;
  try {
    const checkpoint = await client.uploads.send(source, request, {
      resume: await journal.find(),
      onOpen: ({ id }) => journal.note(id),
      onProgress: (sent) => progress.advance(sent),
    });
    await journal.forget();
    progress.end();
    return checkpoint;
  } catch (error) {
    // What the worker refuses it would refuse again; anything else can be taken up.
    if (error instanceof ApiError && error.status >= 400 && error.status < 429) await journal.forget();
    throw error;
  }
}
