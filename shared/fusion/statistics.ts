import { MemoryBudget } from "../memory-budget.ts";
import { type ChunkBytes, readChunk, widestOf, widthIn } from "./chunk-reads.ts";
import type { Chunk, Segment } from "./chunks.ts";
import { Doubles } from "./doubles.ts";
import type { FusionEngine } from "./engine.ts";
import { reduceGram } from "./gram.ts";
import { type DoublesBlock, type Json, type Reduction, UNIT_ELEMENTS } from "./methods/method.ts";
import type { FusionPlan, PlannedTensor } from "./plan.ts";
import { bookFusion, defaultChunkBytes, fusionBytes } from "./booking.ts";
import { makeWorkspace, type Workspace, workspaceBytes } from "./workspace.ts";

/**
 * What a method must know of whole tensors, or of the whole model, before it can compute a byte. Plain JSON: a workflow
 * step can return it, and it is kept with the model. It depends on recipe and inputs alone.
 */
export interface FusionStatistics {
  readonly tensors: Readonly<Record<string, Json>>;
  readonly model: Json;
}

export interface StatisticsOptions {
  /** First byte of the output file, and end of the bytes, exclusive; the whole file where left out. */
  readonly begin?: number;
  readonly end?: number;
  /** At most so many bytes of any one input are held at a time, if a block fits. Never changes the result. */
  readonly chunkBytes?: number;
  readonly signal?: AbortSignal;
  /** Called with the bytes of input read since the last call. */
  readonly onProgress?: (bytes: number) => void;
}

const NONE: FusionStatistics = { tensors: {}, model: null };

/** Whether the method has to see data before it can compute. */
export function needsStatistics({ compute }: FusionPlan): boolean {
  return compute.kind === "combination" ? compute.measures !== undefined : compute.reduce !== undefined;
}

/**
 * The statistics of the tensors that begin in the range `[begin, end)` of the output file; what is about the whole model
 * goes with the file's first byte. So however a file is cut into ranges, {@link mergeStatistics} of their statistics is
 * what one call for all of it returns.
 *
 * Streams each tensor as often as the method asks for: once for dot products, two or three times for thresholds. Memory
 * is bounded as in `fuseRange`.
 * @throws Problem `over-budget`, `too-large-for-isolate`, `truncated-file`; the signal's reason where it is aborted
 */
export async function gatherStatistics(
  plan: FusionPlan,
  engine: FusionEngine,
  options: StatisticsOptions = {},
): Promise<FusionStatistics> {
  const { begin = 0, end = plan.layout.fileLength } = options;
  if (!needsStatistics(plan)) return NONE;
  const { compute } = plan;
  const floats = plan.tensors.filter(({ treatment, elements }) => treatment.kind === "average" && elements > 0);
  if (compute.kind === "elementwise" && compute.scope === "model") {
    const reduction = begin === 0 && end > 0 ? compute.reduce?.(floats, plan) : undefined;
    if (reduction === undefined) return NONE;
    const [model = null] = await streamReductions(plan, engine, [{ tensors: floats, reduction }], options);
    return { tensors: {}, model };
  }
  return gatherTensors(
    plan,
    engine,
    floats.filter(({ outputBegin }) => begin <= outputBegin && outputBegin < end),
    options,
  );
}

/** The statistics that computing the bytes `[begin, end)` of the output takes. */
export async function statisticsForRange(
  plan: FusionPlan,
  engine: FusionEngine,
  options: StatisticsOptions & { readonly begin: number; readonly end: number },
): Promise<FusionStatistics> {
  const { compute } = plan;
  if (!needsStatistics(plan)) return NONE;
  if (compute.kind === "elementwise" && compute.scope === "model") {
    return gatherStatistics(plan, engine, { ...options, begin: 0, end: plan.layout.fileLength });
  }
  const touched = plan.tensors.filter(
    ({ treatment, elements, outputBegin, outputWidth }) =>
      treatment.kind === "average" &&
      elements > 0 &&
      outputBegin < options.end &&
      outputBegin + elements * outputWidth > options.begin,
  );
  return gatherTensors(plan, engine, touched, options);
}

/** Puts the statistics of ranges that cover a file together. */
export function mergeStatistics(parts: readonly FusionStatistics[]): FusionStatistics {
  return {
    tensors: Object.assign({}, ...parts.map(({ tensors }) => tensors)) as Record<string, Json>,
    model: parts.find(({ model }) => model !== null)?.model ?? null,
  };
}

/** What was found out about a tensor, or about the model it is part of. */
export function statisticOf(
  { compute }: FusionPlan,
  { tensors, model }: FusionStatistics,
  { name }: PlannedTensor,
): Json | undefined {
  const ofModel = compute.kind === "elementwise" && compute.scope === "model";
  return ofModel ? model : Object.hasOwn(tensors, name) ? tensors[name] : undefined;
}

async function gatherTensors(
  plan: FusionPlan,
  engine: FusionEngine,
  tensors: readonly PlannedTensor[],
  options: StatisticsOptions,
): Promise<FusionStatistics> {
  const { compute } = plan;
  const chunkBytes = options.chunkBytes ?? defaultChunkBytes(plan, engine, UNIT_ELEMENTS);
  const found: Record<string, Json> = {};
  for (const batch of batchesOf(tensors, chunkBytes)) {
    const works = batch.flatMap((tensor) => {
      const reduction =
        compute.kind === "combination"
          ? compute.measures && reduceGram(plan, compute.measures)
          : compute.reduce?.([tensor], plan);
      return reduction === undefined ? [] : [{ tensors: [tensor], reduction }];
    });
    const results = await streamReductions(plan, engine, works, options);
    for (const [
      index,
      {
        tensors: [tensor],
      },
    ] of works.entries()) {
      if (tensor !== undefined) found[tensor.name] = results[index] ?? null;
    }
  }
  return { tensors: found, model: null };
}

/** Small tensors go through together, so that they cost one read, not one each. */
function* batchesOf(tensors: readonly PlannedTensor[], chunkBytes: number): Generator<PlannedTensor[]> {
  const MOST_TOGETHER = 256;
  // What is booked for searches is for one large tensor, or for so many elements of small ones.
  const MOST_ELEMENTS = 65_536;
  let batch: PlannedTensor[] = [];
  let bytes = 0;
  let elements = 0;
  for (const tensor of tensors) {
    const own = tensor.elements * widestOf(tensor);
    const full = bytes + own > chunkBytes || elements + tensor.elements > MOST_ELEMENTS;
    if (batch.length > 0 && (full || batch.length === MOST_TOGETHER)) {
      yield batch;
      batch = [];
      bytes = 0;
      elements = 0;
    }
    batch.push(tensor);
    bytes += own;
    elements += tensor.elements;
  }
  if (batch.length > 0) yield batch;
}

interface Work {
  readonly tensors: readonly PlannedTensor[];
  readonly reduction: Reduction;
}

/** Runs reductions to their ends, streaming the tensors of those that have not ended, over and over. */
async function streamReductions(
  plan: FusionPlan,
  { kernels, budget }: FusionEngine,
  works: readonly Work[],
  options: StatisticsOptions,
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
  { signal, onProgress }: StatisticsOptions,
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
