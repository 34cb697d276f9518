import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { AveragingKernels } from "../../shared/kernels/averaging.ts";
import { type EmscriptenFactory, registerWasmBackend, type WasmHeap } from "../../shared/kernels/wasm-backend.ts";

export interface WasmEngine {
  readonly heap: WasmHeap;
  readonly averaging: AveragingKernels;
}

let engine: Promise<WasmEngine> | undefined;

/**
 * The tfjs WASM backend in this process with our kernels beside it, made once. The kernels must be built:
 * `node infra/build/kernels.ts`, which `npm ci` runs.
 */
export function wasmEngine(): Promise<WasmEngine> {
  engine ??= start();
  return engine;
}

async function start(): Promise<WasmEngine> {
  const require = createRequire(import.meta.url);
  const factory: unknown = require("@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js");
  const simd = require.resolve("@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm");
  const heap = await registerWasmBackend(factory as EmscriptenFactory, await WebAssembly.compile(await readFile(simd)));
  return { heap, averaging: new AveragingKernels(heap, await kernelModule("averaging")) };
}

/** A compiled module of `shared/kernels/build`. */
export async function kernelModule(name: string): Promise<WebAssembly.Module> {
  const path = join(import.meta.dirname, "../../shared/kernels/build", `${name}.wasm`);
  return WebAssembly.compile(await readFile(path));
}
