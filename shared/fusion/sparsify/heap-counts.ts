import type { WasmHeap } from "../../kernels/wasm-backend.ts";

/** Counters in the heap. They have 32 bits there; what would not fit is carried over to float64. */
export class HeapCounts {
  readonly address: number;
  readonly #heap: WasmHeap;
  readonly #buckets: number;
  #carried: Float64Array<ArrayBuffer> | undefined;
  #counted = 0;

  constructor(heap: WasmHeap, buckets: number) {
    this.#heap = heap;
    this.#buckets = buckets;
    this.address = heap.allocate(4 * buckets);
    this.#view().fill(0);
  }

  /** To be called before so many elements are counted. */
  expect(count: number): void {
    this.#counted += count;
    if (this.#counted < 2 ** 32) return;
    this.#carried = this.#sum();
    this.#view().fill(0);
    this.#counted = count;
  }

  /** The counts so far; valid until more is counted. */
  peek(): Uint32Array | Float64Array {
    return this.#carried === undefined ? this.#view() : this.#sum();
  }

  /** A copy of the counts. */
  take(): Uint32Array | Float64Array {
    return this.#carried === undefined ? this.#view().slice() : this.#sum();
  }

  /** Makes all counts smaller by a factor, rounded. */
  divide(divisor: number): void {
    const view = this.#view();
    for (let bucket = 0; bucket < view.length; bucket++) {
      const count = view[bucket] as number;
      // Almost all are.
      if (count !== 0) view[bucket] = Math.round(count / divisor);
    }
  }

  clear(): void {
    this.#view().fill(0);
    this.#carried = undefined;
    this.#counted = 0;
  }

  free(): void {
    this.#heap.free(this.address);
  }

  #sum(): Float64Array<ArrayBuffer> {
    const view = this.#view();
    return Float64Array.from(view, (count, bucket) => count + (this.#carried?.[bucket] ?? 0));
  }

  #view(): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.#heap.memory.buffer, this.address, this.#buckets);
  }
}
