import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import * as tf from "@tensorflow/tfjs-core";
import { registerDenseKernels } from "../../shared/kernels/dense-kernels.ts";
import { addressForWriting, addressOf, wasmKernelBackend } from "../../shared/kernels/tensor-memory.ts";
import { instantiateTrainingKernels } from "../../shared/kernels/training.ts";
import { type EmscriptenFactory, registerWasmBackend } from "../../shared/kernels/wasm-backend.ts";
import type { TrainingBackend } from "./training-backend.ts";

export type { TrainingBackend } from "./training-backend.ts";

const GLUE = "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js";
const SIMD = "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm";
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
  const require = createRequire(import.meta.url);
  const [backendModule, kernelModule] = await Promise.all([
    readFile(require.resolve(SIMD)).then((bytes) => WebAssembly.compile(bytes)),
    compileKernels(KERNELS),
  ]);
  const heap = await registerWasmBackend(require(GLUE) as EmscriptenFactory, backendModule);
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

/** @param file the compiled kernels; exported for the test of what happens without them */
export async function compileKernels(file: URL): Promise<WebAssembly.Module> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new Error('The training kernels are not built; run "npm run build".', { cause: error });
  }
  if (!WebAssembly.validate(bytes)) {
    throw new Error(
      `Node ${process.versions.node} cannot run the training kernels: they need relaxed SIMD (Node 21 or newer). ` +
        'Start edgefuse through npm ("npm run edgefuse"), which brings its own Node.',
    );
  }
  return WebAssembly.compile(bytes);
}
