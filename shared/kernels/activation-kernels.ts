import * as tf from "@tensorflow/tfjs-core";
import { type OwnKernel, runOwnKernel } from "./own-kernels.ts";
import { addKernel, type KernelCall, replaceKernel } from "./replace-kernel.ts";
import { addressOf, type WasmKernelBackend } from "./tensor-memory.ts";
import type { TrainingKernels } from "./training.ts";

/** Activations on the heap, float32, by address. The last array is written, and may be one of those before it. */
export interface ActivationKernels {
  reluGradient(upstream: number, output: number, inputGradient: number, count: number): void;
  gelu(input: number, output: number, count: number): void;
  geluGradient(upstream: number, input: number, inputGradient: number, count: number): void;
  softmax(input: number, output: number, rows: number, columns: number): void;
  softmaxGradient(upstream: number, output: number, inputGradient: number, rows: number, columns: number): void;
}

type Softmax = KernelCall<{ logits: tf.TensorInfo }, { readonly dim: number }>;
type Gradient = KernelCall<{ dy: tf.TensorInfo; y: tf.TensorInfo }, unknown>;

/**
 * Adds ReLU's gradient, GELU and the gradients of GELU and softmax as one pass over memory each, and replaces softmax,
 * whose exponentials the stock kernel takes one by one.
 *
 * The gradients of ReLU and softmax are registered anew, for all backends of the thread: where a backend lacks the kernel
 * they are tfjs's own formulas.
 */
export function registerActivationKernels({ activations }: TrainingKernels): void {
  addKernel<Gradient>("EdgefuseReluGradient" satisfies OwnKernel, ({ inputs: { dy, y }, backend }) =>
    elementwise(backend, [dy, y], (upstream, output, out, count) =>
      activations.reluGradient(upstream, output, out, count),
    ),
  );
  addKernel<KernelCall<{ x: tf.TensorInfo }, unknown>>(
    "EdgefuseGelu" satisfies OwnKernel,
    ({ inputs: { x }, backend }) =>
      elementwise(backend, [x, x], (input, _input, out, count) => activations.gelu(input, out, count)),
  );
  addKernel<KernelCall<{ dy: tf.TensorInfo; x: tf.TensorInfo }, unknown>>(
    "EdgefuseGeluGradient" satisfies OwnKernel,
    ({ inputs: { dy, x }, backend }) =>
      elementwise(backend, [dy, x], (upstream, input, out, count) =>
        activations.geluGradient(upstream, input, out, count),
      ),
  );
  replaceKernel<Softmax>(tf.Softmax, (stock) => (call) => {
    const { logits } = call.inputs;
    const columns = logits.shape.at(-1) ?? 1;
    if (logits.dtype !== "float32" || call.attrs.dim !== logits.shape.length - 1) return stock(call);
    return elementwise(call.backend, [logits, logits], (input, _input, out, count) =>
      activations.softmax(input, out, columns === 0 ? 0 : count / columns, columns),
    );
  });
  addKernel<Gradient>("EdgefuseSoftmaxGradient" satisfies OwnKernel, ({ inputs: { dy, y }, backend }) => {
    const columns = y.shape.at(-1) ?? 1;
    return elementwise(backend, [dy, y], (upstream, output, out, count) =>
      activations.softmaxGradient(upstream, output, out, columns === 0 ? 0 : count / columns, columns),
    );
  });
  registerReluGradient();
  registerSoftmaxGradient();
}

/** ReLU saves what it returned, which the next layer saves anyway, and not what it got. */
function registerReluGradient(): void {
  replaceGradient({
    kernelName: tf.Relu,
    outputsToSave: [true],
    gradFunc(upstream, saved) {
      const [dy, y] = [upstream as tf.Tensor, saved[0] as tf.Tensor];
      return { x: () => runOwnKernel("EdgefuseReluGradient", { dy, y })?.[0] ?? tf.mul(dy, tf.step(y)) };
    },
  });
}

function registerSoftmaxGradient(): void {
  replaceGradient({
    kernelName: tf.Softmax,
    outputsToSave: [true],
    gradFunc(upstream, saved, attributes) {
      const [dy, y] = [upstream as tf.Tensor, saved[0] as tf.Tensor];
      const dim = Number(attributes["dim"]);
      return {
        logits() {
          const own = dim === y.rank - 1 ? runOwnKernel("EdgefuseSoftmaxGradient", { dy, y })?.[0] : undefined;
          if (own !== undefined) return own;
          const products = tf.mul(dy, y);
          return tf.sub(products, tf.mul(tf.sum(products, [dim], true), y));
        },
      };
    },
  });
}

function replaceGradient(config: tf.GradConfig): void {
  if (tf.getGradient(config.kernelName)) tf.unregisterGradient(config.kernelName);
  tf.registerGradient(config);
}

/** Runs a kernel over two tensors of one shape into a third. */
function elementwise(
  backend: WasmKernelBackend,
  [left, right]: readonly [tf.TensorInfo, tf.TensorInfo],
  run: (left: number, right: number, out: number, count: number) => void,
): tf.TensorInfo {
  const out = backend.makeOutput(left.shape, "float32");
  const count = tf.util.sizeFromShape(left.shape);
  run(addressOf(backend, left), addressOf(backend, right), addressOf(backend, out), count);
  return out;
}
