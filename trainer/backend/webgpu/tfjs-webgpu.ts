/**
 * tfjs's WebGPU backend. Import this dynamically, once WebGPU is in the global scope: the package looks for it while it
 * loads. (A file of its own, because a bundler gives a CommonJS package's names to static imports alone.)
 */
export { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
