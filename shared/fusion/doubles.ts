import { type AveragedDtype, type AveragingKernels, MASK_PADDING, type WeightTable } from "../kernels/averaging.ts";
import type { DoublesBlock, DrawWords } from "./methods/method.ts";
import type { FusionPlan, PlannedTensor } from "./plan.ts";

const WIDTH = 8;

/** Heap that {@link Doubles} takes. */
export function doublesBytes(plan: FusionPlan, blockElements: number): number {
  return (plan.inputs.length + 1) * blockElements * WIDTH + maskBytes(blockElements);
}

function maskBytes(blockElements: number): number {
  return blockElements + MASK_PADDING;
}

/**
 * Blocks of float64 in the heap, and the way there and back: elements are decoded exactly, computed on by the methods,
 * and rounded once to the output's dtype.
 */
export class Doubles {
  readonly #plan: FusionPlan;
  readonly #kernels: AveragingKernels;
  readonly #base: number;
  readonly #blockElements: number;
  readonly #decoding: readonly WeightTable[];
  readonly #encoding: WeightTable;

  /** @param inputs heap address of each input's block of raw elements */
  constructor(plan: FusionPlan, kernels: AveragingKernels, blockElements: number, inputs: readonly number[]) {
    this.#plan = plan;
    this.#kernels = kernels;
    this.#blockElements = blockElements;
    this.#base = kernels.heap.allocate(doublesBytes(plan, blockElements));
    this.#decoding = inputs.map((address) => kernels.prepareWeights([address], [1], false));
    this.#encoding = kernels.prepareWeights([this.#addressOf(plan.inputs.length)], [1], false);
  }

  /** Decodes a block of every input that the tensor is read from. `nonFinite`: how many elements are NaN or infinite. */
  load(
    tensor: PlannedTensor,
    first: number,
    count: number,
  ): { readonly block: DoublesBlock; readonly nonFinite: number } {
    let nonFinite = 0;
    for (const [input, table] of this.#decoding.entries()) {
      const dtype = tensor.dtypes[input];
      if (dtype === undefined) continue;
      nonFinite += this.#kernels.average(table, dtype, "F64", this.#addressOf(input), count);
    }
    const rows = this.#plan.inputs.map((_, input) => this.#row(input, count));
    const draw = (words: DrawWords, share: number) => this.#draw(words, share, first, count);
    return { block: { tensor, first, count, rows, draw }, nonFinite };
  }

  /** The row for the results, to be written with {@link store}. */
  result(count: number): Float64Array<ArrayBuffer> {
    return this.#row(this.#plan.inputs.length, count);
  }

  /** Rounds the results to a dtype. @returns how many are not finite */
  store(dtype: AveragedDtype, address: number, count: number): number {
    return this.#kernels.average(this.#encoding, "F64", dtype, address, count);
  }

  free(): void {
    for (const table of [...this.#decoding, this.#encoding]) table.free();
    this.#kernels.heap.free(this.#base);
  }

  #draw({ seed, low, high }: DrawWords, share: number, first: number, count: number): Uint8Array<ArrayBuffer> {
    const buffer = this.#addressOf(this.#plan.inputs.length + 1);
    const words = { seed, fixedRatio: share, nameLow: low, nameHigh: high };
    const address = this.#kernels.frozenMask(words, first, count, buffer);
    return new Uint8Array(this.#memory(), address, count);
  }

  #row(index: number, count: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.#memory(), this.#addressOf(index), count);
  }

  #memory(): ArrayBuffer {
    return this.#kernels.heap.memory.buffer;
  }

  #addressOf(row: number): number {
    return this.#base + row * this.#blockElements * WIDTH;
  }
}
