import { type AveragingKernels, MASK_PADDING } from "../kernels/averaging.ts";
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

/** How much heap a workspace takes, to be booked before it is made. */
export function workspaceBytes(plan: FusionPlan): number {
  return sizesOf(plan).total;
}

export function makeWorkspace(plan: FusionPlan, { heap }: AveragingKernels): Workspace {
  const { blockElements, inputBytes, outputBytes, maskBytes, total } = sizesOf(plan);
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

function sizesOf({ inputs, tensors }: FusionPlan): Sizes {
  const width = tensors.reduce((widest, { inputWidth }) => Math.max(widest, inputWidth), 1);
  const fitting = 2 ** Math.floor(Math.log2(CACHED_BYTES / (width * inputs.length)));
  const blockElements = Math.min(LARGEST_BLOCK, Math.max(SMALLEST_BLOCK, fitting));
  const inputBytes = blockElements * width;
  const outputBytes = blockElements * WIDTH;
  const maskBytes = blockElements + MASK_PADDING;
  return {
    blockElements,
    inputBytes,
    outputBytes,
    maskBytes,
    total: inputBytes * inputs.length + outputBytes + maskBytes + blockElements,
  };
}
