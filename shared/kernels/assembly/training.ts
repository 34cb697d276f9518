/**
 * Kernels for training on the heap of the tfjs WASM backend. All arrays are float32, row-major, given by address;
 * nothing here allocates. Convolutions and further optimizers are files beside these and a line here.
 */
export { product, workspaceBytes } from "./training/product";
export { reluBiasGradient } from "./training/relu-bias";
export { softmaxCrossEntropy } from "./training/cross-entropy";
export { momentumUpdate } from "./training/momentum";
