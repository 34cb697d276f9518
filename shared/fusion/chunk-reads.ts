import type { MemoryBudget } from "../memory-budget.ts";
import type { Chunk } from "./chunks.ts";
import type { FusionPlan } from "./plan.ts";
import { readExactly } from "./read-input.ts";

/** Reads in flight at a time. Workers allow six connections, and the request and the upload of a part need some. */
const PARALLEL_READS = 4;

/** The inputs' bytes for one chunk. */
export interface ChunkBytes {
  /** Bytes of a segment in an input, or undefined where they are not needed. A view that may be unaligned. */
  bytes(segment: number, input: number): Uint8Array<ArrayBuffer> | undefined;
  release(): void;
}

/** Adjoining bytes of one file, and the segments they hold. */
interface Span {
  readonly input: number;
  readonly begin: number;
  end: number;
  readonly segments: { readonly index: number; readonly begin: number; readonly length: number }[];
}

/**
 * Reads what a chunk needs. Segments that adjoin in an input come in one read, whatever their order there, so a file
 * laid out like the output costs one read a chunk, however many small tensors it has.
 */
export async function readChunk(plan: FusionPlan, chunk: Chunk, budget: MemoryBudget): Promise<ChunkBytes> {
  const spans = plan.inputs.flatMap((_, input) => spansOf(chunk, input));
  const lease = budget.take(spans.reduce((sum, { begin, end }) => sum + end - begin, 0));
  const views = chunk.segments.map((): (Uint8Array<ArrayBuffer> | undefined)[] => []);
  const progress = { next: 0, failed: false };
  const work = async () => {
    while (progress.next < spans.length && !progress.failed) {
      const span = spans[progress.next++];
      const source = span && plan.inputs[span.input]?.source;
      if (span === undefined || source === undefined) return;
      const bytes = await readExactly(source, span.begin, span.end);
      for (const { index, begin, length } of span.segments) {
        const row = views[index];
        if (row !== undefined) row[span.input] = bytes.subarray(begin - span.begin, begin - span.begin + length);
      }
    }
  };
  // All readers end before the lease does, so that no buffer outlives its booking.
  const outcomes = await Promise.allSettled(
    Array.from({ length: Math.min(PARALLEL_READS, spans.length) }, () =>
      work().catch((error: unknown) => {
        progress.failed = true;
        throw error;
      }),
    ),
  );
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  if (failure !== undefined) {
    lease.release();
    throw failure.reason;
  }
  return { bytes: (segment, input) => views[segment]?.[input], release: () => lease.release() };
}

function spansOf({ segments }: Chunk, input: number): Span[] {
  const pieces = segments.flatMap(({ tensor, first, count }, index) => {
    const needed = input === 0 || tensor.treatment.kind === "average" || tensor.treatment.compare;
    if (!needed) return [];
    const begin = (tensor.inputBegins[input] ?? 0) + first * tensor.inputWidth;
    return [{ index, begin, length: count * tensor.inputWidth }];
  });
  const spans: Span[] = [];
  for (const piece of pieces.toSorted((a, b) => a.begin - b.begin)) {
    const last = spans.at(-1);
    if (last !== undefined && last.end === piece.begin) {
      last.end += piece.length;
      last.segments.push(piece);
    } else {
      spans.push({ input, begin: piece.begin, end: piece.begin + piece.length, segments: [piece] });
    }
  }
  return spans;
}
