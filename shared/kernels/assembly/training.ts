/**
 * Kernels for training on the heap of the tfjs WASM backend. All arrays are float32, row-major, given by address;
 * nothing here allocates. Convolutions and further optimizers are files beside these and a line here.
 */
export { product, workspaceBytes } from "./training/product";
export { reluBiasGradient } from "./training/relu-bias";
export { softmaxCrossEntropy } from "./training/cross-entropy";
export { momentumUpdate } from "./training/momentum";
export { adaptiveUpdate } from "./training/adaptive";
export { squaredNorm } from "./training/gradient-norm";
export { addressBytes, convolutionFilterGradient, convolve } from "./training/convolution";
export { lineBytes } from "./training/patches";
export { averagePool, averagePoolGradient, maxPool, maxPoolGradient } from "./training/pooling";
export { gelu, geluGradient, reluGradient } from "./training/activation";
export { sumSegments } from "./training/segments";
export { softmax, softmaxGradient } from "./training/softmax";
export {
  standardizeColumns,
  standardizeColumnsGradient,
  standardizeRows,
  standardizeRowsGradient,
} from "./training/standardize";
