import { type AveragedDtype, type AveragingKernels, MASK_PADDING, type WeightTable } from "../kernels/averaging.ts";
import { ROW_PADDING, type RowFormat, scratchBytes } from "../kernels/combining.ts";
import type { DoublesBlock, DrawWords } from "./methods/method.ts";
import type { FusionPlan, PlannedTensor } from "./plan.ts";

const WIDTH = 8;

/** Heap that {@link Doubles} takes. */
export function doublesBytes(plan: FusionPlan, blockElements: number): number {
  const { length } = plan.inputs;
  return (length + 1) * rowBytes(blockElements) + length * maskBytes(blockElements) + scratchBytes(length);
}

function rowBytes(blockElements: number): number {
  return blockElements * WIDTH + ROW_PADDING;
}

function maskBytes(blockElements: number): number {
  return Math.ceil((blockElements + MASK_PADDING) / WIDTH) * WIDTH;
}

/**
 * Blocks of float64 in the heap, and the way there and back: elements are decoded exactly, computed on by the methods,
 * and rounded once to the output's dtype. Nothing is decoded before it is asked for: kernels read float32 as it is.
 */
export class Doubles {
  readonly #plan: FusionPlan;
  readonly #kernels: AveragingKernels;
  readonly #base: number;
  readonly #blockElements: number;
  readonly #inputs: readonly number[];
  readonly #decoding: readonly WeightTable[];
  #nonFinite = 0;

  /** @param inputs heap address of each input's block of raw elements */
  constructor(plan: FusionPlan, kernels: AveragingKernels, blockElements: number, inputs: readonly number[]) {
    this.#plan = plan;
    this.#kernels = kernels;
    this.#blockElements = blockElements;
    this.#inputs = inputs;
    this.#base = kernels.heap.allocate(doublesBytes(plan, blockElements));
    this.#decoding = inputs.map((address) => kernels.prepareWeights([address], [1], false));
  }

  /** How many elements that are NaN or infinite were decoded since the last {@link load}. */
  get nonFinite(): number {
    return this.#nonFinite;
  }

  /** A block of every input that the tensor is read from. It is valid until the next call. */
  load(tensor: PlannedTensor, first: number, count: number): DoublesBlock {
    this.#nonFinite = 0;
    const format: RowFormat = tensor.dtypes.includes("F64") ? "F64" : "F32";
    const inputs = this.#plan.inputs.length;
    return new LoadedBlock({
      tensor,
      first,
      count,
      format,
      kernels: this.#kernels.combining,
      scratch: this.#addressOf(inputs + 1) + inputs * maskBytes(this.#blockElements),
      output: this.#addressOf(inputs),
      decode: (input) => this.#decode(tensor, input, format, count),
      decodeAll: () => this.#decodeAll(tensor, count),
      mask: (input) => this.#maskAddress(input),
      draw: (words, share, input) => this.#draw(words, share, first, count, this.#maskAddress(input)),
    });
  }

  /** The row for the results, to be written with {@link store}. */
  result(count: number): Float64Array<ArrayBuffer> {
    return this.#row(this.#plan.inputs.length, count);
  }

  /** Rounds the results to a dtype. @returns how many are not finite */
  store(dtype: AveragedDtype, address: number, count: number): number {
    return this.#kernels.combining.encode(dtype, this.#addressOf(this.#plan.inputs.length), address, count);
  }

  free(): void {
    for (const table of this.#decoding) table.free();
    this.#kernels.heap.free(this.#base);
  }

  #decodeAll(tensor: PlannedTensor, count: number): DoublesBlock["rows"] {
    for (const [input, table] of this.#decoding.entries()) {
      const dtype = tensor.dtypes[input];
      if (dtype === undefined) continue;
      this.#nonFinite += this.#kernels.average(table, dtype, "F64", this.#addressOf(input), count);
    }
    return this.#plan.inputs.map((_, input) => this.#row(input, count));
  }

  #decode(tensor: PlannedTensor, input: number, format: RowFormat, count: number): number {
    const dtype = tensor.dtypes[input];
    const table = this.#decoding[input];
    if (dtype === undefined || table === undefined) throw new RangeError(`there is no input ${input}`);
    if (dtype === format) return this.#inputs[input] ?? 0;
    this.#nonFinite += this.#kernels.average(table, dtype, format, this.#addressOf(input), count);
    return this.#addressOf(input);
  }

  #draw({ seed, low, high }: DrawWords, share: number, first: number, count: number, buffer: number): number {
    const words = { seed, fixedRatio: share, nameLow: low, nameHigh: high };
    return this.#kernels.frozenMask(words, first, count, buffer);
  }

  #row(index: number, count: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.#kernels.heap.memory.buffer, this.#addressOf(index), count);
  }

  #addressOf(row: number): number {
    return this.#base + row * rowBytes(this.#blockElements);
  }

  #maskAddress(input: number): number {
    return this.#addressOf(this.#plan.inputs.length + 1) + input * maskBytes(this.#blockElements);
  }
}

interface BlockSource extends Omit<DoublesBlock, "rows" | "row" | "draw"> {
  decode(input: number): number;
  decodeAll(): DoublesBlock["rows"];
  draw(words: DrawWords, share: number, input: number): number;
}

/** A class, because the engine makes an object literal with an accessor anew, property by property, for every block. */
class LoadedBlock implements DoublesBlock {
  readonly tensor: PlannedTensor;
  readonly first: number;
  readonly count: number;
  readonly format: RowFormat;
  readonly kernels: DoublesBlock["kernels"];
  readonly scratch: number;
  readonly output: number;
  readonly #source: BlockSource;
  readonly #decoded: (number | undefined)[] = [];
  #rows: DoublesBlock["rows"] | undefined;

  constructor(source: BlockSource) {
    this.tensor = source.tensor;
    this.first = source.first;
    this.count = source.count;
    this.format = source.format;
    this.kernels = source.kernels;
    this.scratch = source.scratch;
    this.output = source.output;
    this.#source = source;
  }

  get rows(): DoublesBlock["rows"] {
    return (this.#rows ??= this.#source.decodeAll());
  }

  row(input: number): number {
    return (this.#decoded[input] ??= this.#source.decode(input));
  }

  mask(input: number): number {
    return this.#source.mask(input);
  }

  draw(words: DrawWords, share: number, input = 0): number {
    return this.#source.draw(words, share, input);
  }
}
