import type { WasmHeap } from "./wasm-backend.ts";

/**
 * What `assembly/training.ts` exports, over one heap. Arrays are float32, row-major, given by address; see there for
 * shapes. An address is good until the tensor it belongs to is disposed; growth of the memory does not move it.
 */
export interface TrainingKernels {
  readonly heap: WasmHeap;
  /** out = op(a) op(b) + bias, then ReLU if asked. `bias` 0 for none. */
  product(
    a: number,
    transposeA: boolean,
    b: number,
    transposeB: boolean,
    out: number,
    size: ProductSize,
    bias: number,
    relu: boolean,
  ): void;
  /** Zeroes the gradient where `output <= 0`, in place (`output` 0: nowhere), and sums it into the bias's (0: not). */
  reluBiasGradient(gradient: number, output: number, biasGradient: number, rows: number, columns: number): void;
  /**
   * @returns mean cross-entropy; writes its gradient
   * @throws RangeError where a label is not in [0, classes)
   */
  softmaxCrossEntropy(logits: number, labels: number, gradient: number, rows: number, classes: number): number;
  /** One step of SGD with momentum, in place; `frozen` is a bit mask, or 0 for none. */
  momentumUpdate(
    weights: number,
    velocity: number,
    gradient: number,
    frozen: number,
    count: number,
    momentum: number,
    rate: number,
  ): void;
}

/** Result [rows, columns], inner dimension `depth`. */
export interface ProductSize {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
}

interface Exports {
  workspaceBytes(): number;
  product(...values: number[]): void;
  reluBiasGradient(...values: number[]): void;
  softmaxCrossEntropy(...values: number[]): number;
  momentumUpdate(...values: number[]): void;
}

/**
 * Instantiates the training kernels beside the tensors of the tfjs WASM backend.
 * @param module `build/training.wasm`, compiled; it needs relaxed SIMD (V8 11.4, so Node 21 or newer)
 */
export function instantiateTrainingKernels(heap: WasmHeap, module: WebAssembly.Module): TrainingKernels {
  const instance = new WebAssembly.Instance(module, { env: { memory: heap.memory, abort: stop } });
  const wasm = instance.exports as unknown as Exports;
  const workspace = heap.allocate(wasm.workspaceBytes());
  return {
    heap,
    product(a, transposeA, b, transposeB, out, { rows, columns, depth }, bias, relu) {
      wasm.product(a, +transposeA, b, +transposeB, out, rows, columns, depth, bias, +relu, workspace);
    },
    reluBiasGradient: wasm.reluBiasGradient,
    softmaxCrossEntropy(logits, labels, gradient, rows, classes) {
      const loss = wasm.softmaxCrossEntropy(logits, labels, gradient, rows, classes);
      if (loss <= -1) throw new RangeError(`the label of sample ${-1 - loss} of the batch is not in [0, ${classes})`);
      return loss;
    },
    momentumUpdate: wasm.momentumUpdate,
  };
}

function stop(): never {
  throw new Error("a training kernel aborted");
}
