import type { Dtype } from "../safetensors/index.ts";
import { CombiningKernels } from "./combining.ts";
import type { WasmHeap } from "./wasm-backend.ts";
import { weightTableBytes, writeWeightTable } from "./weight-table.ts";

/** Dtypes the kernels average, with the codes they know them by. */
const CODES = {
  F32: 0,
  F16: 1,
  BF16: 2,
  F64: 3,
  F8_E4M3: 4,
  F8_E5M2: 5,
} as const satisfies Partial<Record<Dtype, number>>;

export type AveragedDtype = keyof typeof CODES;

/** How the kernels' exports call the dtypes. */
const EXPORTED = {
  F32: "F32",
  F16: "F16",
  BF16: "BF16",
  F64: "F64",
  F8_E4M3: "E4M3",
  F8_E5M2: "E5M2",
} as const satisfies Record<AveragedDtype, string>;

type Exported = (typeof EXPORTED)[AveragedDtype];

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
  free(): void;
}

type AverageKernel = (table: number, output: number, count: number) => number;

type AverageExports = Readonly<Record<`average${Exported}To${Exported}`, AverageKernel>>;

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
  /** What other methods than averages run on. */
  readonly combining: CombiningKernels;
  readonly #kernels: AveragingExports;

  /** @param module `shared/kernels/build/averaging.wasm`, compiled */
  constructor(heap: WasmHeap, module: WebAssembly.Module) {
    const { exports } = new WebAssembly.Instance(module, { env: { memory: heap.memory } });
    this.heap = heap;
    this.combining = new CombiningKernels(heap, exports);
    this.#kernels = exports as unknown as AveragingExports;
  }

  /**
   * Puts weights and block addresses into the heap.
   * @param addresses where each input's block lies, in the order in which the sum runs
   * @param weights as the recipe has them, not normalised: (Σ w·x) / Σ w returns x bit for bit where all inputs hold x
   */
  prepareWeights(addresses: readonly number[], weights: readonly number[], normalize: boolean): WeightTable {
    const address = this.heap.allocate(weightTableBytes(weights.length));
    writeWeightTable(new DataView(this.heap.memory.buffer, address), addresses, weights, normalize);
    return { address, free: () => this.heap.free(address) };
  }

  /**
   * Averages one block: each element rounded once, to nearest even. Overflow gives infinity, or in F8_E4M3, which has none,
   * a NaN that keeps the sign; NaN comes out as the one quiet NaN of the dtype, because WebAssembly leaves NaN bits to the
   * machine.
   * @returns how many results are not finite. At least as many as elements with an input that is not finite.
   */
  average(table: WeightTable, input: AveragedDtype, output: AveragedDtype, address: number, count: number): number {
    return this.#kernels[`average${EXPORTED[input]}To${EXPORTED[output]}`](table.address, address, count);
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
