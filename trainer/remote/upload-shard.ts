import { createHash } from "node:crypto";
import { basename } from "node:path";
import { ApiError } from "../../shared/api/index.ts";
import { decodeValidationShard } from "../../shared/evaluation/shard.ts";
import { type ShardId, shardId } from "../../shared/identity.ts";
import { asFailure, Failure } from "../failure.ts";
import { readIfThere } from "../data/read-file.ts";
import type { ByteProgress } from "../fusing/byte-progress.ts";
import type { RemoteWorker } from "./connect.ts";

/** Shards up to this size go up in one request; larger ones in parts, which need not all be sent again. */
const ONE_REQUEST_BYTES = 8 * 2 ** 20;

/**
 * Uploads a validation shard, unless the worker has it.
 * @throws Failure `bad-input` where it is no shard; `refused`, `unreachable`
 */
export async function uploadShard(
  worker: RemoteWorker,
  path: string,
  { progress }: { readonly progress: ByteProgress },
): Promise<{ readonly id: ShardId; readonly upload: "uploaded" | "exists" }> {
  const file = await readIfThere(path);
  if (file === undefined) throw new Failure("bad-input", `There is no shard ${path}.`);
  try {
    decodeValidationShard(file);
  } catch (error) {
    const { kind, message } = asFailure(error);
    throw new Failure(kind, `${path}: ${message}`, { cause: error });
  }
  const sha256 = createHash("sha256").update(file).digest("hex");
  const id = shardId.parse(sha256);
  if (await hasShard(worker, id)) return { id, upload: "exists" };
  const name = basename(path);
  await worker.ask(`take ${path}`, async () => {
    if (file.length <= ONE_REQUEST_BYTES) return worker.client.uploadShard(file, { name, sha256 });
    progress.begin(`pushing ${name}`, file.length);
    const source = { bytes: file.length, read: async (begin: number, end: number) => file.slice(begin, end) };
    const onProgress = (bytes: number) => progress.advance(bytes);
    const shard = await worker.client.uploads.send(source, { kind: "shard", sha256, name }, { onProgress });
    progress.end();
    return shard;
  });
  return { id, upload: "uploaded" };
}

async function hasShard({ client, ask }: RemoteWorker, id: ShardId): Promise<boolean> {
  return ask(`describe the shard ${id}`, async () => {
    try {
      await client.describeShard(id);
      return true;
    } catch (error) {
      if (error instanceof ApiError && (error.status === 403 || error.code === "shard-not-found")) return false;
      throw error;
    }
  });
}
