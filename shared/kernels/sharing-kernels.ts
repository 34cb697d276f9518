import * as tf from "@tensorflow/tfjs-core";
import { type KernelCall, replaceKernel } from "./replace-kernel.ts";

type Cast = KernelCall<{ x: tf.TensorInfo }, { readonly dtype: tf.DataType }>;

/**
 * Lets clones, and casts to the type a tensor has, share its memory, as tfjs's other backends do; tfjs's WASM backend
 * copies. The tape clones all it saves. Whoever changes a tensor in place must go through `addressForWriting`.
 */
export function registerSharingKernels(): void {
  replaceKernel<KernelCall<{ x: tf.TensorInfo }, unknown>>(tf.Identity, () => ({ inputs: { x }, backend }) => {
    backend.incRef(x.dataId);
    return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
  });
  replaceKernel<Cast>(tf.Cast, (stock) => (call) => {
    const { x } = call.inputs;
    if (call.attrs.dtype !== x.dtype) return stock(call);
    call.backend.incRef(x.dataId);
    return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
  });
}
