import { checkpointId, type CheckpointId } from "../../shared/identity.ts";
import { connectWorker, type ConnectOptions, type WorkerAccess } from "../remote/connect.ts";
import { noWorker } from "../remote/remote-failure.ts";

/**
 * Registers an object of the bucket as a checkpoint (`POST /v1/checkpoints`). Registering is idempotent, so a lost
 * answer is simply asked for again.
 * @returns its id, and whether the worker knew it already
 * @throws Failure `refused` (401, 403, 404), `bad-input` (other 4xx: the worker says why), `unreachable`
 */
export async function registerCheckpoint(
  access: WorkerAccess,
  key: string,
  { fetch, ...options }: ConnectOptions,
): Promise<{ readonly id: CheckpointId; readonly known: boolean }> {
  let known = false;
  const worker = connectWorker(access, {
    ...options,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      known = response.status === 200;
      return response;
    },
  });
  const { id } = await worker.ask(`register ${key}`, () => worker.client.registerCheckpoint(key));
  const parsed = checkpointId.safeParse(id);
  if (!parsed.success) throw noWorker(access.url);
  return { id: parsed.data, known };
}
