import * as tf from "@tensorflow/tfjs-core";
import type { PoolingShape } from "./image-kernels.ts";
import { type KernelCall, replaceKernel } from "./replace-kernel.ts";
import { addressOf } from "./tensor-memory.ts";
import type { TrainingKernels } from "./training.ts";

interface Attributes {
  readonly filterSize: [number, number] | number;
  readonly strides: [number, number] | number;
  readonly pad: Parameters<typeof tf.backend_util.computePool2DInfo>[4];
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
}

type Forward = KernelCall<{ x: tf.TensorInfo }, Attributes>;
type MaxGradient = KernelCall<{ dy: tf.TensorInfo; input: tf.TensorInfo; output: tf.TensorInfo }, Attributes>;
type AverageGradient = KernelCall<{ dy: tf.TensorInfo; input: tf.TensorInfo }, Attributes>;

/**
 * Replaces tfjs's pooling of float32 images and its gradients.
 *
 * The stock gradient of the mean divides by the size of the window even where it hangs over an edge, although the mean
 * itself does not; this one is the derivative of what was computed.
 */
export function registerPoolingKernels({ images }: TrainingKernels): void {
  replaceKernel<Forward>(tf.MaxPool, (stock) => (call) => {
    const { inputs, attrs, backend } = call;
    if (inputs.x.dtype !== "float32") return stock(call);
    const shape = poolingShape(inputs.x.shape, attrs);
    const out = backend.makeOutput([shape.images, shape.outHeight, shape.outWidth, shape.channels], "float32");
    images.maxPool(shape, addressOf(backend, inputs.x), addressOf(backend, out));
    return out;
  });
  replaceKernel<Forward>(tf.AvgPool, (stock) => (call) => {
    const { inputs, attrs, backend } = call;
    if (inputs.x.dtype !== "float32") return stock(call);
    const shape = poolingShape(inputs.x.shape, attrs);
    const out = backend.makeOutput([shape.images, shape.outHeight, shape.outWidth, shape.channels], "float32");
    images.averagePool(shape, addressOf(backend, inputs.x), addressOf(backend, out));
    return out;
  });
  replaceKernel<MaxGradient>(tf.MaxPoolGrad, () => ({ inputs: { dy, input, output }, attrs, backend }) => {
    const shape = poolingShape(input.shape, attrs);
    const out = backend.makeOutput(input.shape, "float32");
    const [image, largest, upstream] = [input, output, dy].map((tensor) => addressOf(backend, tensor));
    images.maxPoolGradient(shape, image ?? 0, largest ?? 0, upstream ?? 0, addressOf(backend, out));
    return out;
  });
  replaceKernel<AverageGradient>(tf.AvgPoolGrad, () => ({ inputs: { dy, input }, attrs, backend }) => {
    const shape = poolingShape(input.shape, attrs);
    const out = backend.makeOutput(input.shape, "float32");
    images.averagePoolGradient(shape, addressOf(backend, dy), addressOf(backend, out));
    return out;
  });
}

function poolingShape(
  input: readonly number[],
  { filterSize, strides, pad, dimRoundingMode }: Attributes,
): PoolingShape {
  const shape = input as [number, number, number, number];
  const info = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
  return {
    images: info.batchSize,
    height: info.inHeight,
    width: info.inWidth,
    channels: info.inChannels,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    windowHeight: info.filterHeight,
    windowWidth: info.filterWidth,
    stepDown: info.strideHeight,
    stepAcross: info.strideWidth,
    padTop: info.padInfo.top,
    padLeft: info.padInfo.left,
  };
}
