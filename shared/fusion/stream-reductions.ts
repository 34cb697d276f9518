import { MemoryBudget } from "../memory-budget.ts";
import { bookFusion, defaultChunkBytes, fusionBytes } from "./booking.ts";
import { type ChunkBytes, readChunk, widestOf, widthIn } from "./chunk-reads.ts";
import type { Chunk, Segment } from "./chunks.ts";
import { Doubles } from "./doubles.ts";
import type { FusionEngine } from "./engine.ts";
import { type DoublesBlock, type Json, type Reduction, UNIT_ELEMENTS } from "./methods/method.ts";
import type { FusionPlan, PlannedTensor } from "./plan.ts";
import { makeWorkspace, type Workspace, workspaceBytes } from "./workspace.ts";

export interface ReductionOptions {
  /** At most so many bytes of any one input are held at a time, if a block fits. Never changes the result. */
  readonly chunkBytes?: number;
  readonly signal?: AbortSignal;
  /** Called with the bytes of input read since the last call. */
  readonly onProgress?: (bytes: number) => void;
}

/** A reduction, and the tensors it is about. */
export interface Work {
  readonly tensors: readonly PlannedTensor[];
  readonly reduction: Reduction;
}

/** Runs reductions to their ends, streaming the tensors of those that have not ended, over and over. */
export async function streamReductions(
  plan: FusionPlan,
  { kernels, budget }: FusionEngine,
  works: readonly Work[],
  options: ReductionOptions,
): Promise<Json[]> {
  const chunkBytes = options.chunkBytes ?? defaultChunkBytes(plan, { budget }, UNIT_ELEMENTS);
  const booking = bookFusion(plan, budget, fusionBytes(plan, chunkBytes, UNIT_ELEMENTS));
  const own = new MemoryBudget(booking.bytes);
  const release: (() => void)[] = [() => booking.release()];
  try {
    const blocks = own.take(workspaceBytes(plan, UNIT_ELEMENTS));
    const workspace = makeWorkspace(plan, kernels, UNIT_ELEMENTS);
    release.unshift(() => (workspace.free(), blocks.release()));
    const doubles = new Doubles(plan, kernels, workspace.blockElements, workspace.inputs);
    release.unshift(() => doubles.free());

    const results: Json[] = works.map(() => null);
    let active = works.map((work, index) => ({ ...work, index, visit: undefined as Visitor | undefined }));
    const step = () => {
      active = active.flatMap((work) => {
        const { value, done } = work.reduction.next();
        if (done !== true) return [{ ...work, visit: value }];
        results[work.index] = value;
        return [];
      });
    };
    for (step(); active.length > 0; step()) {
      const visitors = new Map(
        active.flatMap(({ tensors, visit }) => tensors.map((tensor) => [tensor, visit] as const)),
      );
      const chunks = packChunks([...visitors.keys()], chunkBytes);
      await forEachChunk(plan, own, chunks, options, (chunk, bytes) => {
        for (const [index, segment] of chunk.segments.entries()) {
          const visit = visitors.get(segment.tensor);
          if (visit === undefined) continue;
          const views = plan.inputs.map((_, input) => bytes.bytes(index, input));
          visitSegment(segment, views, { heap: kernels.heap.memory, workspace, doubles, visit });
        }
      });
    }
    return results;
  } finally {
    // What did not end holds memory in the heap.
    for (const { reduction } of works) reduction.return(null);
    for (const free of release) free();
  }
}

type Visitor = (block: DoublesBlock) => void;

function visitSegment(
  { tensor, first, count }: Segment,
  views: readonly (Uint8Array<ArrayBuffer> | undefined)[],
  tools: { heap: WebAssembly.Memory; workspace: Workspace; doubles: Doubles; visit: Visitor },
): void {
  const unit = unitOf(tensor);
  for (let done = 0; done < count; done += unit) {
    const size = Math.min(unit, count - done);
    const heap = new Uint8Array(tools.heap.buffer);
    for (const [input, address] of tools.workspace.inputs.entries()) {
      const width = widthIn(tensor, input);
      const view = views[input];
      if (view !== undefined) heap.set(view.subarray(done * width, (done + size) * width), address);
    }
    tools.visit(tools.doubles.load(tensor, first + done, size));
  }
}

/** Elements a block: a constant of the tensor, so that sums of block sums are one number however chunks fall. */
function unitOf({ run }: PlannedTensor): number {
  return run === 1 ? UNIT_ELEMENTS : run;
}

/** Cuts tensors into chunks of whole blocks, in order. */
function* packChunks(tensors: readonly PlannedTensor[], chunkBytes: number): Generator<Chunk> {
  let segments: Segment[] = [];
  let room = chunkBytes;
  for (const tensor of tensors) {
    const width = widestOf(tensor);
    const unit = unitOf(tensor);
    for (let first = 0; first < tensor.elements;) {
      const left = tensor.elements - first;
      let count = left * width <= room ? left : Math.floor(room / width / unit) * unit;
      if (count <= 0) {
        if (segments.length > 0) {
          yield { segments, outputBegin: 0, begin: 0, end: 0 };
          segments = [];
          room = chunkBytes;
          continue;
        }
        count = Math.min(unit, left);
      }
      segments.push({ tensor, first, count });
      room -= count * width;
      first += count;
    }
  }
  if (segments.length > 0) yield { segments, outputBegin: 0, begin: 0, end: 0 };
}

/** Reads chunks, one ahead of the one that is worked on. */
async function forEachChunk(
  plan: FusionPlan,
  budget: MemoryBudget,
  chunks: Generator<Chunk>,
  { signal, onProgress }: ReductionOptions,
  work: (chunk: Chunk, bytes: ChunkBytes) => void,
): Promise<void> {
  const start = () => {
    const { value, done } = chunks.next();
    if (done === true) return undefined;
    const bytes = readChunk(plan, value, budget);
    bytes.catch(() => undefined);
    return { chunk: value, bytes };
  };
  let current = start();
  try {
    while (current !== undefined) {
      signal?.throwIfAborted();
      const bytes = await current.bytes;
      const { chunk } = current;
      current = start();
      try {
        work(chunk, bytes);
        onProgress?.(bytes.length);
      } finally {
        bytes.release();
      }
    }
  } finally {
    await current?.bytes.then(
      (bytes) => bytes.release(),
      () => undefined,
    );
  }
}
