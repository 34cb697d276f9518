import * as tf from "@tensorflow/tfjs-core";
import { registerTrainingKernels } from "../../shared/kernels/register.ts";
import { addressForWriting, addressOf, wasmKernelBackend } from "../../shared/kernels/tensor-memory.ts";
import { instantiateTrainingKernels } from "../../shared/kernels/training.ts";
import { wasmCrossEntropy } from "../training/cross-entropy.ts";
import { createWasmOptimizer, type OptimizerHeap } from "../training/optimizers/wasm-optimizer.ts";
import type { WasmTrainingBackend } from "./training-backend.ts";
import { compileKernels, startWasmHeap } from "./wasm-heap.ts";

export { compileKernels } from "./wasm-heap.ts";
export type { TrainingBackend, WasmTrainingBackend } from "./training-backend.ts";

const KERNELS = new URL("../../shared/kernels/build/training.wasm", import.meta.url);

let started: Promise<WasmTrainingBackend> | undefined;

/**
 * Starts the tfjs WASM backend of this thread with kernels that make it fit for training, and makes it tfjs's current
 * backend. A second call gives the same backend. Every worker thread has its own.
 * @throws Error where the kernels are not built, or the runtime lacks relaxed SIMD
 */
export function startWasmBackend(): Promise<WasmTrainingBackend> {
  started ??= start().catch((error: unknown) => {
    started = undefined;
    throw error;
  });
  return started;
}

async function start(): Promise<WasmTrainingBackend> {
  const [tensorHeap, kernelModule] = await Promise.all([startWasmHeap(), compileKernels(KERNELS)]);
  const kernels = instantiateTrainingKernels(tensorHeap, kernelModule);
  registerTrainingKernels(kernels);
  await tf.ready();

  const backend = wasmKernelBackend();
  const heap: OptimizerHeap = {
    kernels,
    addressOf: (tensor) => addressOf(backend, tensor),
    addressForWriting: (variable) => addressForWriting(backend, variable),
  };
  return {
    name: "wasm",
    ...heap,
    createOptimizer: (spec, parameters, clipNorm) => createWasmOptimizer(heap, spec, parameters, clipNorm),
    crossEntropy: (logits, labels, smoothing) => wasmCrossEntropy(heap, logits, labels, smoothing),
  };
}
