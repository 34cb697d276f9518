import { type AveragingKernels, MASK_PADDING } from "../kernels/averaging.ts";
import { ROW_PADDING } from "../kernels/combining.ts";
import { widestOf } from "./chunk-reads.ts";
import { doublesBytes } from "./doubles.ts";
import type { FusionPlan } from "./plan.ts";

/** Bytes of input that are in the heap at a time, if blocks of useful length allow: they should stay in the L2 cache. */
const CACHED_BYTES = 128 * 1024;
const LARGEST_BLOCK = 8192;
const SMALLEST_BLOCK = 512;
/** Widest element, and the alignment of blocks. */
const WIDTH = 8;

/** Blocks in the heap that one pass of a fusion works on. */
export interface Workspace {
  /** Elements a block; how long it is never changes a result. */
  readonly blockElements: number;
  /** Heap address of each input's block. */
  readonly inputs: readonly number[];
  readonly output: number;
  /** One byte an element, and padding. */
  readonly mask: number;
  /** One byte an element, all zero between uses. */
  readonly marks: number;
  free(): void;
}

interface Sizes {
  readonly blockElements: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly maskBytes: number;
  readonly total: number;
}

/**
 * How much heap a workspace takes, blocks of float64 included, to be booked before it is made.
 * @param unit elements a block; 0 leaves the choice to what is fast
 */
export function workspaceBytes(plan: FusionPlan, unit = 0): number {
  const { total, blockElements } = sizesOf(plan, unit);
  return total + (unit > 0 || plan.compute.kind === "elementwise" ? doublesBytes(plan, blockElements) : 0);
}

export function makeWorkspace(plan: FusionPlan, { heap }: AveragingKernels, unit = 0): Workspace {
  const { blockElements, inputBytes, outputBytes, maskBytes, total } = sizesOf(plan, unit);
  const base = heap.allocate(total);
  const output = base + inputBytes * plan.inputs.length;
  const mask = output + outputBytes;
  const marks = mask + maskBytes;
  new Uint8Array(heap.memory.buffer, marks, blockElements).fill(0);
  return {
    blockElements,
    inputs: plan.inputs.map((_, index) => base + inputBytes * index),
    output,
    mask,
    marks,
    free: () => heap.free(base),
  };
}

function sizesOf(plan: FusionPlan, unit: number): Sizes {
  const { inputs, tensors } = plan;
  const width = tensors.reduce((widest, tensor) => Math.max(widest, widestOf(tensor)), 1);
  const fitting = 2 ** Math.floor(Math.log2(CACHED_BYTES / (width * inputs.length)));
  const usual = Math.min(LARGEST_BLOCK, Math.max(SMALLEST_BLOCK, fitting));
  const blockElements = Math.max(unit > 0 ? unit : usual, longestRun(plan));
  const inputBytes = alignUp(blockElements * width) + ROW_PADDING;
  const outputBytes = blockElements * WIDTH;
  const maskBytes = alignUp(blockElements + MASK_PADDING);
  return {
    blockElements,
    inputBytes,
    outputBytes,
    maskBytes,
    total: inputBytes * inputs.length + outputBytes + maskBytes + blockElements,
  };
}

/** Elements of the longest run that must be computed together. */
export function longestRun({ tensors }: FusionPlan): number {
  return tensors.reduce((longest, { run, elements }) => (elements > 0 ? Math.max(longest, run) : longest), 1);
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / WIDTH) * WIDTH;
}
