import { widestOf } from "./chunk-reads.ts";
import type { FusionPlan, PlannedTensor } from "./plan.ts";

/** Adjoining elements of one tensor: whole runs, where the method computes by runs. */
export interface Segment {
  readonly tensor: PlannedTensor;
  readonly first: number;
  readonly count: number;
}

/** A piece of the output's data section that is read, computed and yielded at once. */
export interface Chunk {
  /** In the order of the output, adjoining there. */
  readonly segments: readonly Segment[];
  /** Where the first segment begins in the output file. */
  readonly outputBegin: number;
  /** The bytes asked for, absolute in the output file. They may cut into the first and the last element or run. */
  readonly begin: number;
  readonly end: number;
}

/**
 * Cuts the bytes `[begin, end)` of the output's data section into chunks of whole elements, or whole runs. A chunk may span many
 * small tensors, or a part of a large one.
 * @param chunkBytes at most so many bytes a chunk, of any one input and of the output; but at least one element, or run
 */
export function* planChunks(plan: FusionPlan, begin: number, end: number, chunkBytes: number): Generator<Chunk> {
  let segments: Segment[] = [];
  let room = chunkBytes;
  let from = begin;
  for (let index = firstTensorAt(plan, begin); index < plan.tensors.length; index++) {
    const tensor = plan.tensors[index];
    if (tensor === undefined || tensor.outputBegin >= end) break;
    const { outputBegin, outputWidth, elements } = tensor;
    const { run } = tensor;
    const width = widestOf(tensor);
    let first = Math.max(0, Math.floor((begin - outputBegin) / outputWidth / run) * run);
    const last = Math.min(elements, Math.ceil(Math.ceil((end - outputBegin) / outputWidth) / run) * run);
    while (first < last) {
      let fitting = Math.floor(room / width / run) * run;
      if (fitting < 1) {
        if (segments.length > 0) {
          const chunk = chunkOf(segments, from, end);
          yield chunk;
          from = chunk.end;
          segments = [];
          room = chunkBytes;
          continue;
        }
        fitting = run;
      }
      const count = Math.min(fitting, last - first);
      segments.push({ tensor, first, count });
      room -= count * width;
      first += count;
    }
  }
  if (segments.length > 0) yield chunkOf(segments, from, end);
}

function chunkOf(segments: readonly Segment[], begin: number, end: number): Chunk {
  const first = segments[0];
  const last = segments.at(-1);
  if (first === undefined || last === undefined) throw new RangeError("a chunk has at least one segment");
  return {
    segments,
    outputBegin: first.tensor.outputBegin + first.first * first.tensor.outputWidth,
    begin,
    end: Math.min(end, last.tensor.outputBegin + (last.first + last.count) * last.tensor.outputWidth),
  };
}

/** Index of the tensor that holds the byte; tensors lie in order of their bytes. */
function firstTensorAt({ tensors }: FusionPlan, byte: number): number {
  let low = 0;
  let high = tensors.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const tensor = tensors[middle];
    if (tensor !== undefined && tensor.outputBegin + tensor.elements * tensor.outputWidth <= byte) low = middle + 1;
    else high = middle;
  }
  return low;
}
