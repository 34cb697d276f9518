import * as tf from "@tensorflow/tfjs-core";

/** What tfjs's WASM backend offers to kernels; its own kernels use the same members. */
export interface WasmKernelBackend {
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number; readonly refCount: number } | undefined };
  makeOutput(shape: readonly number[], dtype: tf.DataType): tf.TensorInfo;
  /** Counts one more tensor that shares the memory. */
  incRef(dataId: object): void;
}

/** The tfjs WASM backend of this thread. */
export function wasmKernelBackend(): WasmKernelBackend {
  return tf.findBackend("wasm") as unknown as WasmKernelBackend;
}

/** A tensor, or what a kernel sees of one. */
type Held = Pick<tf.TensorInfo, "dataId"> & { readonly isDisposed?: boolean };

/**
 * Address of a tensor's first element on the WASM heap. A tensor of another backend is moved here first, as by tfjs's
 * own kernels.
 * @throws Error where the tensor is disposed
 */
export function addressOf(backend: WasmKernelBackend, tensor: Held): number {
  return located(backend, tensor).memoryOffset;
}

/**
 * Address of a variable for a kernel that changes it in place. tfjs shares memory between a tensor and its clones and
 * reshapes; where that is so, the variable first gets memory of its own, so that a clone stays the snapshot it was.
 */
export function addressForWriting(backend: WasmKernelBackend, variable: tf.Variable): number {
  const data = located(backend, variable);
  if (data.refCount <= 1) return data.memoryOffset;
  tf.tidy(() => variable.assign(tf.tensor(variable.dataSync(), variable.shape, variable.dtype)));
  return addressOf(backend, variable);
}

function located(backend: WasmKernelBackend, { dataId, isDisposed = false }: Held) {
  const data = isDisposed ? undefined : backend.dataIdMap.get(dataId);
  if (data === undefined) throw new Error("the tensor is disposed");
  return data;
}
