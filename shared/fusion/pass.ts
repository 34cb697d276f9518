import type { AveragingKernels, MaskWords } from "../kernels/averaging.ts";
import { Problem } from "../problem.ts";
import type { ChunkBytes } from "./chunk-reads.ts";
import type { Chunk, Segment } from "./chunks.ts";
import { maskWordsOf } from "./frozen.ts";
import type { Combiner } from "./methods/index.ts";
import type { FusionPlan, PlannedTensor, Treatment } from "./plan.ts";
import type { FusionObservations } from "./report.ts";
import type { Workspace } from "./workspace.ts";

type Average = Extract<Treatment, { kind: "average" }>;

/** A block of one segment in the heap: what the checks look at. */
interface HeapBlock {
  readonly tensor: PlannedTensor;
  readonly first: number;
  readonly count: number;
}

/** The computing half of a fusion: takes the inputs' bytes of a chunk through the heap, block by block. Synchronous. */
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
  compute(chunk: Chunk, inputs: ChunkBytes, output: Uint8Array<ArrayBuffer>): void {
    let at = 0;
    for (const [index, segment] of chunk.segments.entries()) {
      const bytes = this.#plan.inputs.map((_, input) => inputs.bytes(index, input));
      const length = segment.count * segment.tensor.outputWidth;
      const target = output.subarray(at, at + length);
      // An element whose first byte lies before the range was counted with that byte.
      const cut = index === 0 && chunk.outputBegin < chunk.begin;
      this.#computeSegment(segment, bytes, target, cut);
      at += length;
    }
  }

  #computeSegment(
    { tensor, first, count }: Segment,
    bytes: readonly (Uint8Array<ArrayBuffer> | undefined)[],
    output: Uint8Array<ArrayBuffer>,
    cut: boolean,
  ): void {
    const { treatment, inputWidth, outputWidth } = tensor;
    // Nothing grows the heap while this runs, so one view lasts.
    const heap = new Uint8Array(this.#kernels.heap.memory.buffer);
    let done = 0;
    while (done < count) {
      // A cut element is a block of its own, which is checked but not counted.
      const uncounted = cut && done === 0;
      const size = uncounted ? 1 : Math.min(this.#workspace.blockElements, count - done);
      for (const [input, address] of this.#workspace.inputs.entries()) {
        const source = bytes[input];
        if (source !== undefined) heap.set(source.subarray(done * inputWidth, (done + size) * inputWidth), address);
      }
      const block = { tensor, first: first + done, count: size };
      const found = uncounted ? undefined : this.#found;
      const result =
        treatment.kind === "average" ? this.#average(block, treatment, found) : this.#copy(block, treatment);
      output.set(heap.subarray(result, result + size * outputWidth), done * outputWidth);
      if (found !== undefined) found.elements += size;
      done += size;
    }
  }

  /** @returns heap address of the result */
  #copy({ tensor, first, count }: HeapBlock, { compare }: Extract<Treatment, { kind: "copy" }>): number {
    const [reference = 0, ...others] = this.#workspace.inputs;
    if (compare) {
      let earliest: { index: number; input: number } | undefined;
      for (const [other, address] of others.entries()) {
        const offset = this.#kernels.firstDifference(reference, address, count * tensor.inputWidth);
        if (offset === undefined) continue;
        const index = first + Math.floor(offset / tensor.inputWidth);
        if (earliest === undefined || index < earliest.index) earliest = { index, input: other + 1 };
      }
      if (earliest !== undefined) {
        throw new Problem(
          "non-float-mismatch",
          `Tensor ${JSON.stringify(tensor.name)} is not of floats and differs between inputs at element ` +
            `${earliest.index}; set nonFloat to "first" to take the first input's.`,
          { tensor: tensor.name, index: earliest.index, input: this.#inputId(earliest.input) },
        );
      }
    }
    return reference;
  }

  /** @returns heap address of the result */
  #average(block: HeapBlock, treatment: Average, found: FusionObservations | undefined): number {
    const { output } = this.#workspace;
    const nonFinite = this.#combiner.combine({
      tensor: block.tensor.name,
      first: block.first,
      count: block.count,
      inputDtype: treatment.input,
      outputDtype: treatment.output,
      output,
    });
    if (nonFinite > 0 || !this.#plan.method.propagatesNonFinite) this.#checkFinite(block, treatment, found);
    if (this.#plan.family !== undefined) this.#checkFrozen(block, found);
    return output;
  }

  /** Looks for the inputs' NaN and infinities, and for results that overflowed. Runs on few blocks. */
  #checkFinite({ tensor, first, count }: HeapBlock, treatment: Average, found: FusionObservations | undefined): void {
    const { inputs, output, marks } = this.#workspace;
    let earliest: { index: number; input: number } | undefined;
    for (const [input, address] of inputs.entries()) {
      const scan = this.#kernels.scanNonFinite(treatment.input, address, count, marks);
      if (scan.count === 0) continue;
      if (found !== undefined) found.nonFinite[input] = (found.nonFinite[input] ?? 0) + scan.count;
      if (earliest === undefined || scan.first < earliest.index) earliest = { index: scan.first, input };
    }
    const overflows = this.#kernels.countOverflows(treatment.output, output, count, marks);
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
  #checkFrozen({ tensor, first, count }: HeapBlock, found: FusionObservations | undefined): void {
    const words = this.#maskWords(tensor);
    if (words === undefined) return;
    const [reference = 0, ...others] = this.#workspace.inputs;
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
