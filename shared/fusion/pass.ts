import type { AveragingKernels, MaskWords } from "../kernels/averaging.ts";
import { Problem } from "../problem.ts";
import { type ChunkBytes, widthIn } from "./chunk-reads.ts";
import type { Chunk, Segment } from "./chunks.ts";
import type { Combiner } from "./combiner.ts";
import { maskWordsOf } from "./frozen.ts";
import type { FusionPlan, PlannedTensor, Treatment } from "./plan.ts";
import type { FusionObservations } from "./report.ts";
import type { Workspace } from "./workspace.ts";

type Average = Extract<Treatment, { kind: "average" }>;

/** A part of a block in the heap: what the checks look at. */
interface HeapBlock {
  readonly tensor: PlannedTensor;
  /** Index of the part's first element within the tensor, and within the block. */
  readonly first: number;
  readonly offset: number;
  readonly count: number;
}

/** Elements of a tensor. */
interface Extent {
  readonly begin: number;
  readonly end: number;
}

/** The computing half of a fusion: takes the inputs' bytes of a chunk through the heap, block by block. */
export class FusionPass {
  readonly #plan: FusionPlan;
  readonly #kernels: AveragingKernels;
  readonly #workspace: Workspace;
  readonly #combiner: Combiner;
  readonly #found: FusionObservations;
  #masked: { tensor: PlannedTensor; words: MaskWords | undefined } | undefined;

  constructor(
    plan: FusionPlan,
    kernels: AveragingKernels,
    workspace: Workspace,
    combiner: Combiner,
    found: FusionObservations,
  ) {
    this.#plan = plan;
    this.#kernels = kernels;
    this.#workspace = workspace;
    this.#combiner = combiner;
    this.#found = found;
  }

  /**
   * Computes a chunk.
   * @param output receives the chunk's elements, whole
   * @throws Problem `non-float-mismatch`, `non-finite-values`, `misaligned-inputs`
   */
  async compute(chunk: Chunk, inputs: ChunkBytes, output: Uint8Array<ArrayBuffer>): Promise<void> {
    let at = 0;
    for (const [index, segment] of chunk.segments.entries()) {
      const { tensor, count } = segment;
      const { outputBegin, outputWidth } = tensor;
      if (tensor.treatment.kind === "average") {
        const ready = this.#combiner.begin(tensor);
        if (ready !== undefined) await ready;
      }
      const bytes = this.#plan.inputs.map((_, input) => inputs.bytes(index, input));
      const length = count * outputWidth;
      // An element counts to the range that asks for its first byte; others are computed and checked, not counted.
      const counted = {
        begin: Math.ceil((chunk.begin - outputBegin) / outputWidth),
        end: Math.ceil((chunk.end - outputBegin) / outputWidth),
      };
      this.#computeSegment(segment, bytes, output.subarray(at, at + length), counted);
      at += length;
    }
  }

  #computeSegment(
    { tensor, first, count }: Segment,
    bytes: readonly (Uint8Array<ArrayBuffer> | undefined)[],
    output: Uint8Array<ArrayBuffer>,
    counted: Extent,
  ): void {
    const { treatment, outputWidth, run } = tensor;
    const { inputs, blockElements, output: result } = this.#workspace;
    // Nothing grows the heap while this runs, so one view lasts.
    const heap = new Uint8Array(this.#kernels.heap.memory.buffer);
    const wholeRuns = Math.floor(blockElements / run) * run;
    let done = 0;
    while (done < count) {
      const size = Math.min(wholeRuns, count - done);
      for (const [input, address] of inputs.entries()) {
        const width = widthIn(tensor, input);
        const source = bytes[input];
        if (source !== undefined) heap.set(source.subarray(done * width, (done + size) * width), address);
      }
      const suspicious =
        treatment.kind === "average" &&
        this.#combiner.combine({
          tensor,
          first: first + done,
          count: size,
          inputDtype: treatment.input,
          outputDtype: treatment.output,
          output: result,
        }) > 0;
      this.#check(tensor, { begin: first + done, end: first + done + size }, counted, suspicious);
      const address = treatment.kind === "average" ? result : (inputs[0] ?? 0);
      output.set(heap.subarray(address, address + size * outputWidth), done * outputWidth);
      done += size;
    }
  }

  /** Checks a block in at most three parts, of which only the middle one is counted. */
  #check(tensor: PlannedTensor, block: Extent, counted: Extent, suspicious: boolean): void {
    const begin = Math.min(Math.max(block.begin, counted.begin), block.end);
    const end = Math.max(begin, Math.min(block.end, counted.end));
    const parts = [
      { begin: block.begin, end: begin, found: undefined },
      { begin, end, found: this.#found },
      { begin: end, end: block.end, found: undefined },
    ];
    for (const part of parts) {
      const count = part.end - part.begin;
      if (count === 0) continue;
      const heapBlock = { tensor, first: part.begin, offset: part.begin - block.begin, count };
      if (tensor.treatment.kind === "copy") {
        if (tensor.treatment.compare) this.#compare(heapBlock);
      } else {
        if (suspicious) this.#checkFinite(heapBlock, tensor.treatment, part.found);
        if (this.#plan.family !== undefined) this.#checkFrozen(heapBlock, part.found);
      }
      if (part.found !== undefined) part.found.elements += count;
    }
  }

  /** Compares elements that are not floats. */
  #compare({ tensor, first, offset, count }: HeapBlock): void {
    const [reference = 0, ...others] = this.#modelAddresses(offset * tensor.inputWidth);
    let earliest: { index: number; input: number } | undefined;
    for (const [other, address] of others.entries()) {
      const differing = this.#kernels.firstDifference(reference, address, count * tensor.inputWidth);
      if (differing === undefined) continue;
      const index = first + Math.floor(differing / tensor.inputWidth);
      if (earliest === undefined || index < earliest.index) earliest = { index, input: other + 1 };
    }
    if (earliest === undefined) return;
    throw new Problem(
      "non-float-mismatch",
      `Tensor ${JSON.stringify(tensor.name)} is not of floats and differs between inputs at element ` +
        `${earliest.index}; set nonFloat to "first" to take the first input's.`,
      { tensor: tensor.name, index: earliest.index, input: this.#inputId(earliest.input) },
    );
  }

  /** Looks for the inputs' NaN and infinities, and for results that overflowed. Runs on few blocks. */
  #checkFinite(
    { tensor, first, offset, count }: HeapBlock,
    treatment: Average,
    found: FusionObservations | undefined,
  ): void {
    const { inputs, output, marks } = this.#workspace;
    let earliest: { index: number; input: number } | undefined;
    for (const [input, address] of inputs.entries()) {
      const dtype = tensor.dtypes[input];
      if (dtype === undefined) continue;
      const scan = this.#kernels.scanNonFinite(dtype, address + offset * widthIn(tensor, input), count, marks);
      if (scan.count === 0) continue;
      if (found !== undefined) found.nonFinite[input] = (found.nonFinite[input] ?? 0) + scan.count;
      if (earliest === undefined || scan.first < earliest.index) earliest = { index: scan.first, input };
    }
    const results = output + offset * tensor.outputWidth;
    const overflows = this.#kernels.countOverflows(treatment.output, results, count, marks);
    if (found !== undefined) found.overflows += overflows.count;
    new Uint8Array(this.#kernels.heap.memory.buffer, marks, count).fill(0);
    if (earliest !== undefined && !this.#plan.recipe.allowNonFinite) {
      const index = first + earliest.index;
      const input = this.#inputId(earliest.input);
      throw new Problem(
        "non-finite-values",
        `Tensor ${JSON.stringify(tensor.name)} of ${input} is not finite at element ${index}; ` +
          "set allowNonFinite to fuse it all the same.",
        { tensor: tensor.name, index, input },
      );
    }
  }

  /** Compares the entries that the mask holds fixed with those of the first input, bit for bit. */
  #checkFrozen({ tensor, first, offset, count }: HeapBlock, found: FusionObservations | undefined): void {
    const words = this.#maskWords(tensor);
    if (words === undefined) return;
    const [reference = 0, ...others] = this.#modelAddresses(offset * tensor.inputWidth);
    const mask = this.#kernels.frozenMask(words, first, count, this.#workspace.mask);
    if (found !== undefined) found.frozenElements += this.#kernels.countOnes(mask, count);
    let earliest: { index: number; input: number } | undefined;
    for (const [other, address] of others.entries()) {
      const differing = this.#kernels.countMaskedMismatches(tensor.inputWidth, reference, address, mask, count);
      if (differing.count === 0) continue;
      if (found !== undefined) found.mismatches += differing.count;
      const index = first + differing.first;
      if (earliest === undefined || index < earliest.index) earliest = { index, input: other + 1 };
    }
    if (earliest === undefined) return;
    const place = { tensor: tensor.name, index: earliest.index, input: this.#inputId(earliest.input) };
    if (found !== undefined) found.firstMismatch ??= place;
    if (this.#plan.recipe.requireAlignment) {
      throw new Problem(
        "misaligned-inputs",
        `Tensor ${JSON.stringify(place.tensor)} of ${place.input} differs from the first input at element ` +
          `${place.index}, which the declared mask holds fixed.`,
        place,
      );
    }
  }

  /** Heap addresses of the inputs and the base, moved on by some bytes. */
  #modelAddresses(offset: number): number[] {
    const models = this.#plan.sidecars ?? this.#plan.inputs.length;
    return this.#workspace.inputs.slice(0, models).map((address) => address + offset);
  }

  #maskWords(tensor: PlannedTensor): MaskWords | undefined {
    const { family } = this.#plan;
    if (family === undefined) return undefined;
    if (this.#masked?.tensor !== tensor) this.#masked = { tensor, words: maskWordsOf(family, tensor.name) };
    return this.#masked.words;
  }

  #inputId(input: number) {
    const planned = this.#plan.inputs[input];
    if (planned === undefined) throw new RangeError(`there is no input ${input}`);
    return planned.id;
  }
}
