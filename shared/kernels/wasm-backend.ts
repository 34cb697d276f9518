import { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { watchAllocation } from "./heap-limit.ts";

/**
 * The parts of tfjs's emscripten module that we call. `_malloc` and `_free` manage the heap that tensors live in, so
 * our own kernels can work next to them without a copy.
 */
interface EmscriptenModule {
  readonly HEAPU8: Uint8Array<ArrayBuffer>;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  cwrap(name: string, result: "number" | null, parameters: readonly "number"[]): (...args: number[]) => number;
}

/** tfjs-backend-wasm's glue code: `wasm-out/tfjs-backend-wasm.js`. */
export type EmscriptenFactory = (options: {
  instantiateWasm(
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
  ): WebAssembly.Exports;
}) => Promise<EmscriptenModule>;

/** The heap of the tfjs WASM backend, for kernels that live beside it. */
export interface WasmHeap {
  readonly memory: WebAssembly.Memory;
  /** @returns address of `bytes` fresh bytes, 8-byte aligned. May grow the memory and so detach older views. */
  allocate(bytes: number): number;
  free(address: number): void;
}

/**
 * Registers the tfjs WASM backend from a compiled module and makes it the current one.
 *
 * tfjs itself fetches bytes and compiles them, which Workers forbid (tensorflow/tfjs#8157). This gives emscripten the
 * compiled module instead and hands the result to tfjs's own backend class. It also yields the heap, which tfjs hides.
 * @param factory default export of `@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js`
 * @param module `tfjs-backend-wasm-simd.wasm`, compiled
 */
export async function registerWasmBackend(factory: EmscriptenFactory, module: WebAssembly.Module): Promise<WasmHeap> {
  let memory: WebAssembly.Memory | undefined;
  const emscripten = await factory({
    instantiateWasm(imports, done) {
      const instance = new WebAssembly.Instance(module, imports);
      // Export names are minified; the memory is the only export of its kind.
      memory = Object.values(instance.exports).find((value) => value instanceof WebAssembly.Memory);
      done(instance, module);
      return instance.exports;
    },
  });
  if (memory === undefined) throw new Error("the tfjs WASM module exports no memory");

  // Emscripten puts the real function in place at its first call, which would undo what is put there below.
  emscripten._free(emscripten._malloc(8));
  const malloc = emscripten._malloc;
  const allocate = (bytes: number) => {
    watchAllocation(bytes);
    // Above 4 GiB the number would wrap around on its way in, and little memory be given for much.
    const address = bytes < 2 ** 32 ? malloc(bytes) >>> 0 : 0;
    if (address === 0) throw new RangeError(`the WASM heap has no room for ${bytes} bytes`);
    return address;
  };
  const wrapped = Object.assign(emscripten, {
    // tfjs does not look at what malloc returns, and would go on to write at address 0.
    _malloc: allocate,
    tfjs: {
      init: emscripten.cwrap("init", null, []),
      initWithThreadsCount: emscripten.cwrap("init_with_threads_count", null, ["number"]),
      getThreadsCount: emscripten.cwrap("get_threads_count", "number", []),
      registerTensor: emscripten.cwrap("register_tensor", null, ["number", "number", "number"]),
      disposeData: emscripten.cwrap("dispose_data", null, ["number"]),
      dispose: emscripten.cwrap("dispose", null, []),
    },
  });
  // The declarations call the class abstract; it is not.
  const Backend = BackendWasm as unknown as new (wasm: typeof wrapped) => tf.KernelBackend;
  tf.removeBackend("wasm");
  tf.registerBackend("wasm", () => new Backend(wrapped), 3);
  if (!(await tf.setBackend("wasm"))) throw new Error("the tfjs WASM backend did not start");

  return {
    memory,
    allocate,
    free: (address) => emscripten._free(address),
  };
}
