import * as tf from "@tensorflow/tfjs-core";
import { layers, sequential } from "@tensorflow/tfjs-layers";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { CheckpointDescription } from "../../shared/api/checkpoints.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { useCpuBackend } from "../support/cpu-backend.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
beforeAll(async () => {
  await useCpuBackend();
  worker = await startWorker();
}, 300_000);
afterAll(() => worker.close());

it("TF.js saves a model to /v1/checkpoints with nothing but `model.save`", async () => {
  const model = sequential({
    layers: [
      layers.dense({ name: "hidden", units: 3, inputShape: [4], activation: "relu" }),
      layers.dense({ name: "output", units: 2 }),
    ],
  });
  const before = await worker.snapshot();
  const save = async (authorization: string) => {
    const handler = tf.io.http(`${worker.url}/v1/checkpoints`, {
      requestInit: { headers: { authorization } },
      fetchFunc: (...call: Parameters<typeof fetch>) => fetch(...call),
    });
    return model.save(handler);
  };
  await expect(save("Bearer no")).rejects.toThrow("401");
  expect(await worker.snapshot()).toBe(before);

  const { responses } = (await save(`Bearer ${worker.token}`)) as unknown as { responses: Response[] };
  const [response] = responses;
  expect(response?.status).toBe(201);
  const { id, header } = await describedBy(response);
  expect(header.map(({ name, dtype }) => `${name} ${dtype}`).sort()).toEqual(
    ["hidden/bias F32", "hidden/kernel F32", "output/bias F32", "output/kernel F32"].sort(),
  );
  const file = await worker.fetch(`/v1/checkpoints/${id}/model.safetensors`);
  const decoded = decodeSafetensors(new Uint8Array(await file.arrayBuffer()));
  const stored = Object.fromEntries(
    decoded.header.tensors.map((t) => [t.name, [...new Float32Array(decoded.bytes(t).slice().buffer)]]),
  );
  for (const weight of model.weights) expect(stored[weight.name]).toEqual([...weight.read().dataSync()]);

  // The same model saved again is the same checkpoint.
  const again = (await save(`Bearer ${worker.token}`)) as unknown as { responses: Response[] };
  expect(again.responses[0]?.status).toBe(200);
  expect((await describedBy(again.responses[0])).id).toBe(id);
});

async function describedBy(response: Response | undefined): Promise<CheckpointDescription> {
  if (response === undefined) throw new Error("TF.js kept no response");
  return (await response.json()) as CheckpointDescription;
}
