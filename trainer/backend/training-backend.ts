import type * as tf from "@tensorflow/tfjs-core";
import type { TrainingKernels } from "../../shared/kernels/training.ts";

/** The engine a thread trains on. One thread has one; tfjs's engine is global to it. */
export interface TrainingBackend {
  /** tfjs's name of the backend; goes into the checkpoint's training facts. */
  readonly name: "wasm";
  /** Kernels over the backend's heap. */
  readonly kernels: TrainingKernels;
  /**
   * Address of a tensor's first element on the heap.
   * @throws Error where the tensor is disposed
   */
  addressOf(tensor: tf.Tensor): number;
  /** As `addressOf`, for a kernel that changes the variable in place; clones of it keep their values. */
  addressForWriting(variable: tf.Variable): number;
}
