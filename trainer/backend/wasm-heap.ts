import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { type EmscriptenFactory, registerWasmBackend, type WasmHeap } from "../../shared/kernels/wasm-backend.ts";

const GLUE = "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js";
const SIMD = "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm";

/** Starts the tfjs WASM backend of this thread, makes it tfjs's current one, and gives its heap. */
export async function startWasmHeap(): Promise<WasmHeap> {
  const require = createRequire(import.meta.url);
  const module = await WebAssembly.compile(await readFile(require.resolve(SIMD)));
  return registerWasmBackend(require(GLUE) as EmscriptenFactory, module);
}

/**
 * @param file kernels as `npm run build` compiles them
 * @throws Error where they are not built, or the runtime cannot run them
 */
export async function compileKernels(file: URL): Promise<WebAssembly.Module> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new Error('The kernels are not built; run "npm run build".', { cause: error });
  }
  if (!WebAssembly.validate(bytes)) {
    throw new Error(
      `Node ${process.versions.node} cannot run the kernels: they need relaxed SIMD (Node 21 or newer). ` +
        'Start edgefuse through npm ("npm run edgefuse"), which brings its own Node.',
    );
  }
  return WebAssembly.compile(bytes);
}
