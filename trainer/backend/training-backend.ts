import type * as tf from "@tensorflow/tfjs-core";
import type { TrainingKernels } from "../../shared/kernels/training.ts";
import type { MaskedOptimizer, MaskedParameter } from "../training/masked-optimizer.ts";
import type { OptimizerSpec } from "../training/regime.ts";

/** The engine a thread trains on. One thread has one; tfjs's engine is global to it. */
interface CommonBackend {
  /** What computes, as the checkpoint's training facts record it; a GPU names its adapter. */
  readonly adapter?: string | undefined;
  /** @param clipNorm as {@link Regime.clipNorm} */
  createOptimizer(
    spec: OptimizerSpec,
    parameters: readonly MaskedParameter[],
    clipNorm?: number | undefined,
  ): MaskedOptimizer;
  /**
   * Mean softmax cross-entropy, with its gradient for tfjs's tape.
   * @param logits [rows, classes]
   * @param labels int32 [rows], each in [0, classes)
   * @param smoothing as {@link Regime.labelSmoothing}
   * @returns a scalar
   */
  crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D, smoothing: number): tf.Scalar;
}

/** The CPU: tfjs's WASM backend with kernels of our own on its heap. */
export interface WasmTrainingBackend extends CommonBackend {
  readonly name: "wasm";
  readonly kernels: TrainingKernels;
  /**
   * Address of a tensor's first element on the heap.
   * @throws Error where the tensor is disposed
   */
  addressOf(tensor: tf.Tensor): number;
  /** As `addressOf`, for a kernel that changes the variable in place; clones of it keep their values. */
  addressForWriting(variable: tf.Variable): number;
}

/** A GPU, through Dawn. Values come back asynchronously only. */
export interface WebgpuTrainingBackend extends CommonBackend {
  readonly name: "webgpu";
  readonly adapter: string;
  /** Destroys the device and all tensors on it. Node does not exit before. */
  dispose(): void;
}

export type TrainingBackend = WasmTrainingBackend | WebgpuTrainingBackend;
