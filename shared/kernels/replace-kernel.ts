import * as tf from "@tensorflow/tfjs-core";
import type { WasmKernelBackend } from "./tensor-memory.ts";

/** What tfjs passes to a kernel. */
export interface KernelCall<Inputs, Attributes> {
  readonly inputs: Inputs;
  readonly backend: WasmKernelBackend;
  readonly attrs: Attributes;
}

export type Kernel<Call> = (call: Call) => tf.TensorInfo | tf.TensorInfo[];

/** Registers a kernel in place of tfjs's, keeping the latter's set-up, so that a delegated call finds it ready. */
export function replaceKernel<Call>(kernelName: string, make: (stock: Kernel<Call>) => Kernel<Call>): void {
  const stock = tf.getKernel(kernelName, "wasm");
  if (stock === undefined || stock === null) throw new Error(`tfjs-backend-wasm has no kernel ${kernelName}`);
  tf.unregisterKernel(kernelName, "wasm");
  const kernelFunc = make(stock.kernelFunc as unknown as Kernel<Call>);
  tf.registerKernel({ ...stock, kernelFunc: kernelFunc as unknown as tf.KernelFunc });
}

/** Registers a kernel that tfjs's WASM backend lacks; where it has one after all, in its place. */
export function addKernel<Call>(kernelName: string, kernel: Kernel<Call>): void {
  if (tf.getKernel(kernelName, "wasm")) tf.unregisterKernel(kernelName, "wasm");
  tf.registerKernel({ kernelName, backendName: "wasm", kernelFunc: kernel as unknown as tf.KernelFunc });
}
