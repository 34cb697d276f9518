import * as tf from "@tensorflow/tfjs-core";
import { registerDenseKernels } from "../../shared/kernels/dense-kernels.ts";
import { addressForWriting, addressOf, wasmKernelBackend } from "../../shared/kernels/tensor-memory.ts";
import { instantiateTrainingKernels } from "../../shared/kernels/training.ts";
import type { TrainingBackend } from "./training-backend.ts";
import { compileKernels, startWasmHeap } from "./wasm-heap.ts";

export { compileKernels } from "./wasm-heap.ts";
export type { TrainingBackend } from "./training-backend.ts";

const KERNELS = new URL("../../shared/kernels/build/training.wasm", import.meta.url);

let started: Promise<TrainingBackend> | undefined;

/**
 * Starts the tfjs WASM backend of this thread with kernels that make it fit for training, and makes it tfjs's current
 * backend. A second call gives the same backend. Every worker thread has its own.
 * @throws Error where the kernels are not built, or the runtime lacks relaxed SIMD
 */
export function startWasmBackend(): Promise<TrainingBackend> {
  started ??= start().catch((error: unknown) => {
    started = undefined;
    throw error;
  });
  return started;
}

async function start(): Promise<TrainingBackend> {
  const [heap, kernelModule] = await Promise.all([startWasmHeap(), compileKernels(KERNELS)]);
  const kernels = instantiateTrainingKernels(heap, kernelModule);
  registerDenseKernels(kernels);
  await tf.ready();

  const backend = wasmKernelBackend();
  return {
    name: "wasm",
    kernels,
    addressOf: (tensor) => addressOf(backend, tensor),
    addressForWriting: (variable) => addressForWriting(backend, variable),
  };
}
