import * as tf from "@tensorflow/tfjs-core";
import type { ConvolutionShape } from "./image-kernels.ts";
import { addKernel, type KernelCall, replaceKernel } from "./replace-kernel.ts";
import { addressOf, type WasmKernelBackend } from "./tensor-memory.ts";
import type { TrainingKernels } from "./training.ts";

/** tfjs's name of the convolution with bias and activation. */
const FUSED_CONV_2D = "FusedConv2D";

type Padding = Parameters<typeof tf.backend_util.computeConv2DInfo>[4];

interface Attributes {
  readonly strides: [number, number] | number;
  readonly pad: Padding;
  readonly dataFormat: "NHWC" | "NCHW";
  readonly dilations?: [number, number] | number;
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
}

type Forward = KernelCall<{ x: tf.TensorInfo; filter: tf.TensorInfo }, Attributes>;
type Fused = KernelCall<
  { x: tf.TensorInfo; filter: tf.TensorInfo; bias?: tf.TensorInfo; preluActivationWeights?: tf.TensorInfo },
  Attributes & { readonly activation?: string }
>;
type InputGradient = KernelCall<
  { dy: tf.TensorInfo; filter: tf.TensorInfo },
  Attributes & { readonly inputShape: number[] }
>;
type FilterGradient = KernelCall<
  { x: tf.TensorInfo; dy: tf.TensorInfo },
  Attributes & { readonly filterShape: number[] }
>;

/**
 * Replaces tfjs's convolutions over channels-last images by products of packed patches, and adds the gradient with
 * respect to the filter, without which tfjs's WASM backend cannot train a convolutional network. Dilated and
 * channels-first convolutions stay tfjs's.
 */
export function registerConvolutionKernels(kernels: TrainingKernels): void {
  replaceKernel<Forward>(tf.Conv2D, (stock) => (call) => {
    const { x, filter } = call.inputs;
    const shape = convolutionShape(x.shape, filter.shape, call.attrs);
    return shape === undefined ? stock(call) : convolution(kernels, call.backend, shape, x, filter);
  });
  replaceKernel<Fused>(FUSED_CONV_2D, (stock) => (call) => {
    const { x, filter, bias, preluActivationWeights } = call.inputs;
    const activation = call.attrs.activation ?? "linear";
    const shape = convolutionShape(x.shape, filter.shape, call.attrs);
    const fits = !bias || bias.shape.reduce((size, length) => size * length, 1) === shape?.outChannels;
    if (shape === undefined || !fits || preluActivationWeights || (activation !== "linear" && activation !== "relu")) {
      return stock(call);
    }
    return convolution(kernels, call.backend, shape, x, filter, bias, activation === "relu");
  });
  replaceKernel<InputGradient>(tf.Conv2DBackpropInput, (stock) => (call) => {
    const { dy, filter } = call.inputs;
    const shape = convolutionShape(call.attrs.inputShape, filter.shape, call.attrs);
    return shape === undefined ? stock(call) : inputGradient(kernels, call.backend, shape, dy, filter);
  });
  addKernel<FilterGradient>(tf.Conv2DBackpropFilter, ({ inputs: { x, dy }, attrs, backend }) => {
    const shape = convolutionShape(x.shape, attrs.filterShape, attrs);
    if (shape === undefined) {
      throw new Error("the gradient of a dilated or channels-first convolution is not supported");
    }
    return filterGradient(kernels, backend, shape, x, dy, attrs.filterShape);
  });
}

/** @returns undefined where the convolution is not one of ours */
function convolutionShape(
  input: readonly number[],
  filter: readonly number[],
  { strides, pad, dataFormat, dilations = 1, dimRoundingMode }: Attributes,
): ConvolutionShape | undefined {
  if (dataFormat === "NCHW") return undefined;
  const info = tf.backend_util.computeConv2DInfo(
    input as [number, number, number, number],
    filter as [number, number, number, number],
    strides,
    dilations,
    pad,
    dimRoundingMode,
  );
  if (info.dilationHeight !== 1 || info.dilationWidth !== 1 || info.inChannels !== filter[2]) return undefined;
  return {
    images: info.batchSize,
    height: info.inHeight,
    width: info.inWidth,
    channels: info.inChannels,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    outChannels: info.outChannels,
    filterHeight: info.filterHeight,
    filterWidth: info.filterWidth,
    stepDown: info.strideHeight,
    stepAcross: info.strideWidth,
    padTop: info.padInfo.top,
    padLeft: info.padInfo.left,
  };
}

/** Whether every pixel is a patch of its own and every patch a pixel: then the convolution is a plain product. */
function isProduct(shape: ConvolutionShape): boolean {
  const { filterHeight, filterWidth, stepDown, stepAcross, height, width, outHeight, outWidth } = shape;
  const single = filterHeight === 1 && filterWidth === 1 && stepDown === 1 && stepAcross === 1;
  return single && height === outHeight && width === outWidth;
}

function convolution(
  { product, images }: TrainingKernels,
  backend: WasmKernelBackend,
  shape: ConvolutionShape,
  x: tf.TensorInfo,
  filter: tf.TensorInfo,
  bias?: tf.TensorInfo,
  relu = false,
): tf.TensorInfo {
  const { channels, outHeight, outWidth, outChannels } = shape;
  const out = backend.makeOutput([shape.images, outHeight, outWidth, outChannels], "float32");
  const [image, taps, output] = [addressOf(backend, x), addressOf(backend, filter), addressOf(backend, out)];
  const biasAddress = bias ? addressOf(backend, bias) : 0;
  if (isProduct(shape)) {
    const size = { rows: shape.images * outHeight * outWidth, columns: outChannels, depth: channels };
    product(image, false, taps, false, output, size, biasAddress, relu);
  } else {
    images.convolution(shape, image, taps, biasAddress, relu, output);
  }
  return out;
}

function inputGradient(
  { product, images }: TrainingKernels,
  backend: WasmKernelBackend,
  shape: ConvolutionShape,
  dy: tf.TensorInfo,
  filter: tf.TensorInfo,
): tf.TensorInfo {
  const { height, width, channels, outChannels } = shape;
  const out = backend.makeOutput([shape.images, height, width, channels], "float32");
  const [upstream, taps, output] = [addressOf(backend, dy), addressOf(backend, filter), addressOf(backend, out)];
  if (isProduct(shape)) {
    const size = { rows: shape.images * height * width, columns: channels, depth: outChannels };
    product(upstream, false, taps, true, output, size, 0, false);
  } else {
    images.convolutionInputGradient(shape, upstream, taps, output);
  }
  return out;
}

function filterGradient(
  { product, images }: TrainingKernels,
  backend: WasmKernelBackend,
  shape: ConvolutionShape,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  filterShape: readonly number[],
): tf.TensorInfo {
  const { height, width, channels, outChannels } = shape;
  const out = backend.makeOutput(filterShape, "float32");
  const [image, upstream, output] = [addressOf(backend, x), addressOf(backend, dy), addressOf(backend, out)];
  if (isProduct(shape)) {
    const size = { rows: channels, columns: outChannels, depth: shape.images * height * width };
    product(image, true, upstream, false, output, size, 0, false);
  } else {
    images.convolutionFilterGradient(shape, image, upstream, output);
  }
  return out;
}
