import type { ActivationKernels } from "./activation-kernels.ts";
import { type ImageExports, imageKernels, type ImageKernels } from "./image-kernels.ts";
import type { NormalizationKernels } from "./normalization-kernels.ts";
import type { WasmHeap } from "./wasm-backend.ts";

/**
 * What `assembly/training.ts` exports, over one heap. Arrays are float32, row-major, given by address; see there for
 * shapes. An address is good until the tensor it belongs to is disposed; growth of the memory does not move it.
 */
export interface TrainingKernels {
  readonly heap: WasmHeap;
  readonly images: ImageKernels;
  readonly activations: ActivationKernels;
  readonly normalization: NormalizationKernels;
  /** out[segment of i] += x[i], by rows; x [rows, columns], segments int32 [rows], out [count, columns], written. */
  sumSegments(x: number, segments: number, out: number, rows: number, columns: number, count: number): void;
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
   * @param smoothing share of the target spread evenly over all classes; 0 where not given
   * @returns mean cross-entropy; writes its gradient
   * @throws RangeError where a label is not in [0, classes)
   */
  softmaxCrossEntropy(
    logits: number,
    labels: number,
    gradient: number,
    rows: number,
    classes: number,
    smoothing?: number,
  ): number;
  /** One step of SGD, in place. `velocity` 0: no momentum. */
  momentumUpdate(arrays: UpdatedArrays, velocity: number, factors: MomentumFactors): void;
  /** One step of Adam or AdamW, in place. */
  adaptiveUpdate(arrays: UpdatedArrays, first: number, second: number, factors: AdaptiveFactors): void;
  /** Sum of squares of the free entries, in float64, always in the same order. */
  squaredNorm(gradient: number, frozen: number, count: number): number;
}

/** Addresses of what every update reads, and the weights it changes. */
export interface UpdatedArrays {
  readonly weights: number;
  readonly gradient: number;
  /** One bit an entry, the lowest first, 1 = frozen, in whole words of 32; or 0 where nothing is. */
  readonly frozen: number;
  /** Elements of each array. */
  readonly count: number;
}

/** The numbers of `assembly/training/momentum.ts`, rounded to float32 on the way. */
export interface MomentumFactors {
  readonly momentum: number;
  readonly rate: number;
  /** Multiplies the gradient. */
  readonly scale: number;
  readonly decay: number;
  readonly nesterov: boolean;
}

/** The numbers of `assembly/training/adaptive.ts`, rounded to float32 on the way. */
export interface AdaptiveFactors {
  readonly firstShare: number;
  readonly beta2: number;
  readonly secondShare: number;
  readonly rate: number;
  readonly root: number;
  readonly epsilon: number;
  readonly scale: number;
  readonly decay: number;
  readonly shrink: number;
}

/** Result [rows, columns], inner dimension `depth`. */
export interface ProductSize {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
}

interface Exports extends ImageExports, ActivationKernels, NormalizationKernels {
  workspaceBytes(): number;
  product(...values: number[]): void;
  sumSegments(...values: number[]): void;
  reluBiasGradient(...values: number[]): void;
  softmaxCrossEntropy(...values: number[]): number;
  momentumUpdate(...values: number[]): void;
  adaptiveUpdate(...values: number[]): void;
  squaredNorm(gradient: number, frozen: number, count: number): number;
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
    images: imageKernels(heap, wasm, workspace),
    activations: wasm,
    normalization: wasm,
    sumSegments: wasm.sumSegments,
    product(a, transposeA, b, transposeB, out, { rows, columns, depth }, bias, relu) {
      wasm.product(a, +transposeA, b, +transposeB, out, rows, columns, depth, bias, +relu, workspace);
    },
    reluBiasGradient: wasm.reluBiasGradient,
    softmaxCrossEntropy(logits, labels, gradient, rows, classes, smoothing = 0) {
      const loss = wasm.softmaxCrossEntropy(logits, labels, gradient, rows, classes, smoothing);
      if (loss <= -1) throw new RangeError(`the label of sample ${-1 - loss} of the batch is not in [0, ${classes})`);
      return loss;
    },
    momentumUpdate({ weights, gradient, frozen, count }, velocity, { momentum, rate, scale, decay, nesterov }) {
      wasm.momentumUpdate(weights, velocity, gradient, frozen, count, momentum, rate, scale, decay, +nesterov);
    },
    adaptiveUpdate({ weights, gradient, frozen, count }, first, second, factors) {
      const { firstShare, beta2, secondShare, rate, root, epsilon, scale, decay, shrink } = factors;
      wasm.adaptiveUpdate(
        weights,
        first,
        second,
        gradient,
        frozen,
        count,
        firstShare,
        beta2,
        secondShare,
        rate,
        root,
        epsilon,
        scale,
        decay,
        shrink,
      );
    },
    squaredNorm: wasm.squaredNorm,
  };
}

function stop(): never {
  throw new Error("a training kernel aborted");
}
