import { tensorCrossEntropy } from "../training/cross-entropy.ts";
import { createTensorOptimizer } from "../training/optimizers/tensor-optimizer.ts";
import type { WebgpuTrainingBackend } from "./training-backend.ts";
import type { AdapterChoice } from "./webgpu/dawn.ts";

let started: Promise<WebgpuTrainingBackend> | undefined;

/**
 * Starts tfjs's WebGPU backend on this thread's GPU, with the kernels that training lacks, and makes it tfjs's current
 * one. A second call gives the same backend until it is disposed. Nothing of WebGPU is loaded before this is called.
 * @throws NoGpu where there is no adapter that counts; never falls back to another backend
 */
export function startWebgpuBackend(options: AdapterChoice): Promise<WebgpuTrainingBackend> {
  started ??= start(options).catch((error: unknown) => {
    started = undefined;
    throw error;
  });
  return started;
}

/** Disposes of this thread's backend, if it has one; Node does not exit before. */
export async function stopWebgpuBackend(): Promise<void> {
  const backend = await started?.catch(() => undefined);
  backend?.dispose();
}

async function start(options: AdapterChoice): Promise<WebgpuTrainingBackend> {
  const { startDevice } = await import("./webgpu/start-device.ts");
  const device = await startDevice(options);
  return {
    name: "webgpu",
    adapter: device.adapter,
    createOptimizer: createTensorOptimizer,
    crossEntropy: tensorCrossEntropy,
    dispose() {
      if (started === undefined) return;
      started = undefined;
      device.dispose();
    },
  };
}
