import { MemoryBudget } from "../memory-budget.ts";
import { Problem } from "../problem.ts";
import { bookFusion, defaultChunkBytes, fusionBytes } from "./booking.ts";
import { type ChunkBytes, readChunk } from "./chunk-reads.ts";
import { type Chunk, planChunks } from "./chunks.ts";
import { CombinationCombiner, type Combiner, ElementwiseCombiner } from "./combiner.ts";
import { Doubles } from "./doubles.ts";
import type { FusionEngine } from "./engine.ts";
import { FusionPass } from "./pass.ts";
import type { FusionPlan } from "./plan.ts";
import { readExactly } from "./read-input.ts";
import { emptyObservations, type FusionObservations } from "./report.ts";
import { type FusionStatistics, statisticsForRange } from "./statistics.ts";
import { makeWorkspace, type Workspace, workspaceBytes } from "./workspace.ts";

export interface FuseOptions {
  /** First byte of the output file; 0 where left out. */
  readonly begin?: number;
  /** End of the bytes, exclusive; the file's length where left out. */
  readonly end?: number;
  /**
   * At most so many bytes of any one input, and of the output, are held at a time. Never changes the result.
   * {@link defaultChunkBytes} where left out.
   */
  readonly chunkBytes?: number;
  readonly signal?: AbortSignal;
  /**
   * From `gatherStatistics`, for at least the tensors of the range. Where left out, what the range takes is gathered
   * first.
   */
  readonly statistics?: FusionStatistics;
  /** Receives what the range's elements show; see `emptyObservations`. */
  readonly observations?: FusionObservations;
}

/**
 * Yields exactly the bytes `[begin, end)` of the fused file, header included: whole files, multipart parts and HTTP
 * ranges are all this one path. The bytes do not depend on where ranges and chunks begin.
 *
 * The next chunk is read while the current one is computed. All memory is booked before the first byte, so a fusion that
 * has begun to stream is never refused half-way. A yielded array is the caller's to keep, but is booked only until the
 * next is asked for.
 * @throws Problem `over-budget`, `range-not-satisfiable`, `truncated-file`, `non-float-mismatch`, `non-finite-values`,
 *   `misaligned-inputs`; the signal's reason where it is aborted; whatever a source throws
 */
export async function* fuseRange(
  plan: FusionPlan,
  engine: FusionEngine,
  options: FuseOptions = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const { fileLength, dataOffset, headerBytes } = plan.layout;
  const { begin = 0, end = fileLength, signal } = options;
  const chunkBytes = options.chunkBytes ?? defaultChunkBytes(plan, engine);
  if (!(Number.isSafeInteger(begin) && Number.isSafeInteger(end) && 0 <= begin && begin <= end && end <= fileLength)) {
    throw new Problem("range-not-satisfiable", `The file has ${fileLength} bytes; ${begin} to ${end} are not in it.`, {
      length: fileLength,
    });
  }
  signal?.throwIfAborted();
  for (let at = begin; at < Math.min(end, dataOffset); at += chunkBytes) {
    yield headerBytes.slice(at, Math.min(at + chunkBytes, end, dataOffset));
  }
  if (end > dataOffset && begin < end) {
    yield* fuseData(plan, engine, { ...options, begin: Math.max(begin, dataOffset), end, chunkBytes });
  }
}

async function* fuseData(
  plan: FusionPlan,
  { kernels, budget }: FusionEngine,
  options: FuseOptions & { readonly begin: number; readonly end: number; readonly chunkBytes: number },
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const { begin, end, chunkBytes, signal, observations = emptyObservations(plan) } = options;
  const statistics = options.statistics ?? (await statisticsForRange(plan, { kernels, budget }, options));
  const booking = bookFusion(plan, budget, fusionBytes(plan, chunkBytes));
  // What the booking covers is accounted for once more, buffer by buffer: a mistake in the sum above then shows.
  const own = new MemoryBudget(booking.bytes);
  const release: (() => void)[] = [() => booking.release()];
  let reading: Promise<ChunkBytes> | undefined;
  try {
    const blocks = own.take(workspaceBytes(plan));
    const workspace = makeWorkspace(plan, kernels);
    release.unshift(() => (workspace.free(), blocks.release()));
    const combiner = combinerOf(plan, { kernels, budget: own }, workspace, statistics);
    release.unshift(() => combiner.free());
    const pass = new FusionPass(plan, kernels, workspace, combiner, observations);

    const chunks = planChunks(plan, begin, end, chunkBytes);
    const start = (chunk: Chunk | undefined) => {
      const bytes = chunk && readChunk(plan, chunk, own);
      // Its failure is reported when its turn comes; until then it must not count as unhandled.
      bytes?.catch(() => undefined);
      return bytes;
    };
    let chunk = nextOf(chunks);
    reading = start(chunk);
    while (chunk !== undefined && reading !== undefined) {
      signal?.throwIfAborted();
      const inputs = await reading;
      const following = nextOf(chunks);
      reading = start(following);
      const { outputBegin, end: chunkEnd } = chunk;
      const length = chunk.segments.reduce((sum, { tensor, count }) => sum + count * tensor.outputWidth, 0);
      const lease = own.take(length);
      try {
        const output = new Uint8Array(length);
        try {
          signal?.throwIfAborted();
          await pass.compute(chunk, inputs, output);
        } finally {
          inputs.release();
        }
        yield output.subarray(chunk.begin - outputBegin, chunkEnd - outputBegin);
      } finally {
        lease.release();
      }
      chunk = following;
    }
  } finally {
    // A read that is under way still fills its buffers, so the booking lasts until it has ended.
    await reading?.then(
      (bytes) => bytes.release(),
      () => undefined,
    );
    for (const free of release) free();
  }
}

function combinerOf(
  plan: FusionPlan,
  { kernels, budget }: FusionEngine,
  workspace: Workspace,
  statistics: FusionStatistics,
): Combiner {
  const { compute } = plan;
  if (compute.kind === "combination") return new CombinationCombiner(plan, compute, kernels, workspace, statistics);
  const doubles = new Doubles(plan, kernels, workspace.blockElements, workspace.inputs);
  return new ElementwiseCombiner(compute, doubles, statistics, { plan, budget, readSource: readExactly });
}

function nextOf(chunks: Generator<Chunk>): Chunk | undefined {
  const { value, done } = chunks.next();
  return done === true ? undefined : (value as Chunk);
}
