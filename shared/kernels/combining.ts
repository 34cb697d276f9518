import type { AveragedDtype, WeightTable } from "./averaging.ts";
import type { CombiningExports } from "./combining-exports.ts";
import type { WasmHeap } from "./wasm-backend.ts";

/** What the combining kernels read. The other formats are decoded to float32, which is exact. */
export type RowFormat = "F32" | "F64";

/** Bytes that kernels may read and write behind the last element of a row: they work on groups of four. */
export const ROW_PADDING = 32;

/** Bytes of scratch that {@link CombiningKernels} needs for so many inputs. */
export function scratchBytes(inputs: number): number {
  return inputs * (ENTRY_BYTES + PART_BYTES) + Math.max(PRODUCTS_BYTES, ELECTION_BYTES);
}

const ENTRY_BYTES = 32;
const PART_BYTES = 32;
const PRODUCTS_BYTES = 32;
/** What `assembly/combining/elect.ts` takes: entries, constants and a tile. */
const ELECTION_BYTES = 192 + 32 * 32;
/** Key of infinity. */
const INFINITE_KEY = 0x7f800000;

/** Largest key: nothing lies above it. Keys are magnitudes as float32, by their bits. */
export const LARGEST_KEY = 0x7fffffff;

/** Rows in the heap. */
export interface HeapRows {
  readonly format: RowFormat;
  readonly count: number;
  /** Heap address of `scratchBytes` bytes. */
  readonly scratch: number;
}

/** An input of {@link CombiningKernels.mergeElected}. */
export interface MergedRow {
  readonly address: number;
  /** Address of one byte an element, 1 where it stays; 0 where none is dropped by a mask. */
  readonly mask: number;
  readonly factor: number;
  readonly weight: number;
  /** Smallest and largest key that stays. */
  readonly low: number;
  readonly high: number;
}

const ENCODERS = {
  F32: "encodeToF32",
  F16: "encodeToF16",
  BF16: "encodeToBF16",
  F64: "encodeToF64",
  F8_E4M3: "encodeToE4M3",
  F8_E5M2: "encodeToE5M2",
} as const satisfies Record<AveragedDtype, keyof CombiningExports>;

/**
 * The kernels of methods that are no plain average, on the heap of the tfjs WASM backend. Addresses are heap addresses;
 * a base of 0 stands for none. Synchronous and without state.
 */
export class CombiningKernels {
  readonly heap: WasmHeap;
  readonly #kernels: CombiningExports;
  #view = new Uint32Array(0);

  /** @param exports of an instance of `shared/kernels/build/averaging.wasm` */
  constructor(heap: WasmHeap, exports: WebAssembly.Exports) {
    this.heap = heap;
    this.#kernels = exports as unknown as CombiningExports;
  }

  /**
   * Dot products of all pairs of rows, or of their differences from a base: the lower triangle, row by row. Each is four
   * interleaved float64 sums, s0 + s1 + (s2 + s3).
   */
  products({ format, count, scratch }: HeapRows, rows: readonly number[], base: number): Float64Array<ArrayBuffer> {
    const found = new Float64Array((rows.length * (rows.length + 1)) / 2);
    const out = new Float64Array(this.heap.memory.buffer, scratch, 4);
    const put = (i: number, j: number, product: number | undefined) => {
      if (i < rows.length && product !== undefined) found[(i * (i + 1)) / 2 + j] = product;
    };
    const squares = this.#kernels[`squares${format}`];
    const crosses = this.#kernels[`crosses${format}`];
    for (let i = 0; i < rows.length; i += 2) {
      const a = rows[i] ?? 0;
      const b = rows[i + 1] ?? a;
      for (let j = 0; j < i; j += 2) {
        crosses(a, b, rows[j] ?? 0, rows[j + 1] ?? 0, base, count, scratch);
        put(i, j, out[0]);
        put(i, j + 1, out[1]);
        put(i + 1, j, out[2]);
        put(i + 1, j + 1, out[3]);
      }
      squares(a, b, base, count, scratch);
      put(i, i, out[0]);
      put(i + 1, i, out[1]);
      put(i + 1, i + 1, out[2]);
    }
    return found;
  }

  /**
   * Counts keys of a row's differences by their upper 16 bits (`counts`, or 0), and appends those in `[low, high]` to a
   * list of pairs of key and index (`list`, or 0).
   * @param first index of the first element, modulo 2^32
   * @returns end of the list
   */
  searchKeys(
    { format, count }: HeapRows,
    row: number,
    base: number,
    counts: number,
    range: { readonly low: number; readonly high: number },
    list: number,
    first: number,
  ): number {
    return this.#kernels[`searchKeys${format}`](row, base, count, counts, range.low, range.high, list, first) >>> 0;
  }

  /**
   * Counts the keys of a row's differences that lie above a range, and appends those within to a list, as
   * {@link searchKeys} does.
   */
  sweepKeys(
    { format, count, scratch }: HeapRows,
    row: number,
    base: number,
    { low, high }: { readonly low: number; readonly high: number },
    list: number,
    first: number,
  ): { readonly end: number; readonly above: number } {
    const end = this.#kernels[`sweepKeys${format}`](row, base, count, low, high, list, first, scratch) >>> 0;
    return { end, above: this.#words[scratch >>> 2] ?? 0 };
  }

  /** Counts the lower 15 bits of those keys whose upper bits are `bucket`. */
  countLow({ format, count }: HeapRows, row: number, base: number, counts: number, bucket: number): void {
    this.#kernels[`countLow${format}`](row, base, count, counts, bucket);
  }

  /** Keeps those pairs of a list whose key lies in `[low, high]`. @returns the list's end */
  narrowList(list: number, end: number, low: number, high: number): number {
    return this.#kernels.narrowList(list, end, low, high) >>> 0;
  }

  /**
   * b + λ·Σ factor·(x - b) / Σ weight over the parts that have the sign of Σ factor·(x - b); see `assembly/combining/merge.ts`.
   * Where the sum of weights is below `negligible`, nothing is divided.
   * @returns more than 0 where a difference is not finite and may not show in the result
   */
  mergeElected(
    { format, count, scratch }: HeapRows,
    rows: readonly MergedRow[],
    base: number,
    result: number,
    lambda: number,
    negligible: number,
  ): number {
    const end = this.#writeRows(rows, scratch);
    return this.#kernels[`mergeElected${format}`](scratch, end, end, base, count, result, lambda, negligible);
  }

  /**
   * What {@link mergeElected} computes, about twice as fast, rounded to float32 where that is asked for: for few rows of
   * float32 without masks and upper bounds.
   * @returns whether it could: not where a result is not finite or the base holds -0. Else what was written is void.
   */
  elect(
    { format, count, scratch }: HeapRows,
    rows: readonly MergedRow[],
    base: number,
    result: { readonly format: RowFormat; readonly address: number },
    lambda: number,
    negligible: number,
  ): boolean {
    const inputs = rows.length;
    if (format !== "F32" || !(inputs === 2 || inputs === 3 || inputs === 4)) return false;
    let plain = negligible <= 1;
    for (const { mask, low, high, factor, weight } of rows) {
      if (mask !== 0 || high !== LARGEST_KEY || low > INFINITE_KEY) return false;
      plain &&= factor === 1 && weight === 1;
    }
    this.#writeRows(rows, scratch);
    const kernel = this.#kernels[`elect${plain ? "Plain" : "Weighted"}${inputs}To${result.format}`];
    return kernel(scratch, base, count, result.address, lambda, negligible) === 0;
  }

  /** b + λ·Σ factor·(x - b) / divisor. @returns as {@link mergeElected} does */
  mergeAll(
    { format, count, scratch }: HeapRows,
    rows: readonly MergedRow[],
    base: number,
    result: number,
    lambda: number,
    divisor: number,
  ): number {
    const end = this.#writeRows(rows, scratch);
    return this.#kernels[`mergeAll${format}`](scratch, end, base, count, result, lambda, divisor);
  }

  /** Σ|x - b| over what is finite, and over what stays of it. */
  magnitudeSums({ format, count, scratch }: HeapRows, row: MergedRow, base: number): [all: number, kept: number] {
    this.#kernels[`magnitudeSums${format}`](row.address, base, count, row.mask, row.low, row.high, scratch);
    const [all = 0, kept = 0] = new Float64Array(this.heap.memory.buffer, scratch, 2);
    return [all, kept];
  }

  /**
   * Puts -0 into the output where every input of a weighted sum holds -0, which weights of both signs turn into +0.
   * @param width bytes an element of the inputs
   */
  keepNegativeZeros(table: WeightTable, output: number, width: number, outputWidth: number, count: number): void {
    this.#kernels.keepNegativeZeros(table.address, output, width, outputWidth, count);
  }

  /** Rounds float64 to a dtype, once, to nearest even. @returns how many results are not finite */
  encode(dtype: AveragedDtype, from: number, to: number, count: number): number {
    return this.#kernels[ENCODERS[dtype]](from, to, count);
  }

  /** The heap as words. A view made for every call costs more than some of the kernels. */
  get #words(): Uint32Array<ArrayBuffer> {
    const { buffer } = this.heap.memory;
    if (this.#view.buffer !== buffer) this.#view = new Uint32Array(buffer);
    return this.#view;
  }

  #writeRows(rows: readonly MergedRow[], scratch: number): number {
    const end = scratch + rows.length * ENTRY_BYTES;
    const view = new DataView(this.heap.memory.buffer, scratch, end - scratch);
    for (const [index, { address, mask, factor, weight, low, high }] of rows.entries()) {
      const at = index * ENTRY_BYTES;
      view.setUint32(at, address, true);
      view.setUint32(at + 4, mask, true);
      view.setFloat64(at + 8, factor, true);
      view.setFloat64(at + 16, weight, true);
      view.setInt32(at + 24, low, true);
      view.setInt32(at + 28, high, true);
    }
    return end;
  }
}
