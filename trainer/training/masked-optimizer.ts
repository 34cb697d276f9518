import type * as tf from "@tensorflow/tfjs-core";

/** A trainable tensor and which of its entries keep their initial value. */
export interface MaskedParameter {
  readonly name: string;
  readonly variable: tf.Variable;
  /** One byte an element, 1 = frozen (`frozenMask`); `undefined` where all train. */
  readonly frozen: Uint8Array | undefined;
}

/** All that an optimizer remembers between steps, for a checkpoint that training resumes from bit for bit. */
export interface OptimizerState {
  /** Steps taken; Adam's bias correction counts them. */
  readonly step: number;
  /** By `slot/parameter`, such as `velocity/hidden_0/kernel`; float32, row-major, as long as the parameter. */
  readonly slots: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
}

/**
 * An optimizer that never moves a frozen entry: the update is masked, not only the gradient, so neither momentum, decay,
 * Adam's moments nor a NaN can leak into it (TNA-PFN, arXiv:2402.01342). Frozen entries stay bit-identical.
 */
export interface MaskedOptimizer {
  /** The parameters in the order they were given. */
  readonly parameters: readonly { readonly name: string; readonly variable: tf.Variable }[];
  /**
   * One step, in place. The gradients are read, not disposed.
   * @param gradients by the parameter's name, float32, of its shape
   * @throws RangeError where a parameter has no gradient, or one of another size
   */
  step(gradients: ReadonlyMap<string, tf.Tensor>, learningRate: number): void;
  /** Copies of what it remembers. */
  state(): Promise<OptimizerState>;
  /**
   * Puts a saved state back. What a frozen entry had is dropped, so a mask may change between phases.
   * @throws RangeError where a slot is missing or has another size; then nothing has changed
   */
  restore(state: OptimizerState): void;
  /** Frees what it remembers; the variables are the caller's. */
  dispose(): void;
}
