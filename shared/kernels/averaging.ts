import type { Dtype } from "../safetensors/index.ts";
import type { WasmHeap } from "./wasm-backend.ts";

/** Dtypes the kernels average, with the codes they know them by. */
const CODES = { F32: 0, F16: 1, BF16: 2, F64: 3 } as const satisfies Partial<Record<Dtype, number>>;

export type AveragedDtype = keyof typeof CODES;

export function isAveragedDtype(dtype: Dtype): dtype is AveragedDtype {
  return Object.hasOwn(CODES, dtype);
}

/** How many, and the index of the first of them within the block (meaningless where the count is 0). */
export interface Occurrences {
  readonly count: number;
  readonly first: number;
}

/** What decides a mask; see `shared/alignment/mask.ts`. `name` is the first 8 bytes of SHA-256 of the tensor's name. */
export interface MaskWords {
  readonly seed: bigint;
  readonly fixedRatio: number;
  readonly nameLow: number;
  readonly nameHigh: number;
}

/** A weighted sum prepared in the heap: where each input's block lies and what it counts. Free it after use. */
export interface WeightTable {
  readonly address: number;
  readonly inputs: number;
  readonly divisor: number;
  readonly divisorLow: number;
  readonly divide: boolean;
  readonly ordinary: boolean;
  free(): void;
}

const ENTRY_BYTES = 32;

type AverageKernel = (
  table: number,
  inputs: number,
  output: number,
  count: number,
  divisor: number,
  divisorLow: number,
  divide: boolean,
  ordinary: boolean,
) => number;

type AverageExports = Readonly<Record<`average${AveragedDtype}To${AveragedDtype}`, AverageKernel>>;

interface AveragingExports extends AverageExports {
  readonly firstIndex: WebAssembly.Global;
  scanNonFinite(dtype: number, address: number, count: number, marks: number): number;
  countUnmarkedNonFinite(dtype: number, address: number, count: number, marks: number): number;
  countMaskedMismatches(width: number, a: number, b: number, mask: number, count: number): number;
  countOnes(mask: number, count: number): number;
  firstDifference(a: number, b: number, bytes: number): number;
  frozenMask(
    out: number,
    blockLow: number,
    blockHigh: number,
    blocks: number,
    nameLow: number,
    nameHigh: number,
    keyLow: number,
    keyHigh: number,
    threshold: number,
  ): void;
}

/**
 * The averaging kernels, on the heap of the tfjs WASM backend. Addresses are heap addresses; counts are elements.
 * Everything is synchronous and keeps no state, so any number of fusions may share one instance.
 */
export class AveragingKernels {
  readonly heap: WasmHeap;
  readonly #kernels: AveragingExports;

  /** @param module `shared/kernels/build/averaging.wasm`, compiled */
  constructor(heap: WasmHeap, module: WebAssembly.Module) {
    const { exports } = new WebAssembly.Instance(module, { env: { memory: heap.memory } });
    this.heap = heap;
    this.#kernels = exports as unknown as AveragingExports;
  }

  /**
   * Puts weights and block addresses into the heap.
   *
   * Where the result is divided by the weights' sum, all weights are first scaled by the power of two that brings the sum
   * into [1, 2). That changes no bit of the result but keeps products of extreme weights from overflowing.
   * @param addresses where each input's block lies, in the order in which the sum runs
   * @param weights as the recipe has them, not normalised: (Σ w·x) / Σ w returns x bit for bit where all inputs hold x
   */
  prepareWeights(addresses: readonly number[], weights: readonly number[], normalize: boolean): WeightTable {
    const scaled = normalize ? scaleToUnitSum(weights) : weights;
    const [divisor, divisorLow] = normalize ? doubleDoubleSum(scaled) : [1, 0];
    const table = this.heap.allocate(ENTRY_BYTES * addresses.length);
    const view = new DataView(this.heap.memory.buffer, table, ENTRY_BYTES * addresses.length);
    for (const [index, address] of addresses.entries()) {
      const weight = scaled[index] ?? 0;
      const high = splitHigh(weight);
      view.setUint32(ENTRY_BYTES * index, address, true);
      view.setFloat64(ENTRY_BYTES * index + 8, weight, true);
      view.setFloat64(ENTRY_BYTES * index + 16, high, true);
      view.setFloat64(ENTRY_BYTES * index + 24, weight - high, true);
    }
    return {
      address: table,
      inputs: addresses.length,
      divisor,
      divisorLow,
      divide: divisor !== 1 || divisorLow !== 0,
      ordinary: scaled.every((weight) => weight === 0 || (Math.abs(weight) > 2 ** -400 && Math.abs(weight) < 2 ** 90)),
      free: () => this.heap.free(table),
    };
  }

  /**
   * Averages one block: each element rounded once, to nearest even. Overflow gives infinity; NaN comes out as the one
   * quiet NaN of the dtype, because WebAssembly leaves NaN bits to the machine.
   * @returns how many results are not finite. At least as many as elements with an input that is not finite.
   */
  average(table: WeightTable, input: AveragedDtype, output: AveragedDtype, address: number, count: number): number {
    return this.#kernels[`average${input}To${output}`](
      table.address,
      table.inputs,
      address,
      count,
      table.divisor,
      table.divisorLow,
      table.divide,
      table.ordinary,
    );
  }

  /**
   * NaN and infinities of a block.
   * @param marks a byte an element; set to 1 where the element is not finite, left alone elsewhere
   */
  scanNonFinite(dtype: AveragedDtype, address: number, count: number, marks: number): Occurrences {
    return this.#found(this.#kernels.scanNonFinite(CODES[dtype], address, count, marks));
  }

  /** Results that are not finite although no input was, as {@link scanNonFinite} has marked them. */
  countOverflows(dtype: AveragedDtype, address: number, count: number, marks: number): Occurrences {
    return this.#found(this.#kernels.countUnmarkedNonFinite(CODES[dtype], address, count, marks));
  }

  /** Elements of `width` bytes that differ in any bit between two blocks where the mask is 1. */
  countMaskedMismatches(width: number, a: number, b: number, mask: number, count: number): Occurrences {
    return this.#found(this.#kernels.countMaskedMismatches(width, a, b, mask, count));
  }

  countOnes(mask: number, count: number): number {
    return this.#kernels.countOnes(mask, count);
  }

  /** Offset of the first byte that differs between two blocks; undefined where they are equal. */
  firstDifference(a: number, b: number, bytes: number): number | undefined {
    const offset = this.#kernels.firstDifference(a, b, bytes);
    return offset < 0 ? undefined : offset;
  }

  /**
   * Evaluates `frozenMask` of `shared/alignment/mask.ts` for the elements `[begin, begin + count)`.
   * @param buffer room for `count + MASK_PADDING` bytes
   * @returns address of the first element's byte, within `buffer`
   */
  frozenMask(words: MaskWords, begin: number, count: number, buffer: number): number {
    const block = Math.floor(begin / 4);
    const skip = begin - block * 4;
    this.#kernels.frozenMask(
      buffer,
      block % 2 ** 32,
      Math.floor(block / 2 ** 32),
      Math.ceil((skip + count) / 4),
      words.nameLow,
      words.nameHigh,
      Number(words.seed & 0xffffffffn),
      Number((words.seed >> 32n) & 0xffffffffn),
      Math.floor(words.fixedRatio * 2 ** 32),
    );
    return buffer + skip;
  }

  #found(count: number): Occurrences {
    return { count, first: count === 0 ? 0 : (this.#kernels.firstIndex.value as number) };
  }
}

/** Bytes a mask buffer needs beyond one an element: a partial block in front, three whole ones behind. */
export const MASK_PADDING = 32;

/** Scales weights by a power of two, in steps that are exact powers themselves, so that they sum to [1, 2). */
function scaleToUnitSum(weights: readonly number[]): readonly number[] {
  let scaled = weights;
  for (;;) {
    const sum = scaled.reduce((total, weight) => total + weight, 0);
    if (!(sum > 0) || !Number.isFinite(sum) || (sum >= 1 && sum < 2)) return scaled;
    const exponent = sum < 1 ? Math.max(1, Math.floor(-Math.log2(sum))) : -Math.max(1, Math.floor(Math.log2(sum)));
    const factor = 2 ** Math.min(512, Math.max(-512, exponent));
    scaled = scaled.map((weight) => weight * factor);
  }
}

/** The upper half of a float64 by Veltkamp's splitting; the weight itself where that would overflow. */
function splitHigh(value: number): number {
  const shifted = 134217729 * value;
  return Number.isFinite(shifted) ? shifted - (shifted - value) : value;
}

/** The sum as float64, and what float64 rounds away of it. */
function doubleDoubleSum(values: readonly number[]): [high: number, low: number] {
  let high = 0;
  let low = 0;
  for (const value of values) {
    const sum = high + value;
    const part = sum - high;
    low += high - (sum - part) + (value - part);
    high = sum;
  }
  return [high, low];
}
