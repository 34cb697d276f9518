import type { MemoryBudget } from "../memory-budget.ts";
import { DTYPES } from "../safetensors/index.ts";
import type { Chunk } from "./chunks.ts";
import type { FusionPlan, PlannedTensor } from "./plan.ts";
import { readExactly } from "./read-input.ts";

/** Reads in flight at a time. Workers allow six connections, and the request and the upload of a part need some. */
const PARALLEL_READS = 4;

/** The inputs' bytes for one chunk. */
export interface ChunkBytes {
  /** Bytes of a segment in an input, or undefined where they are not needed. A view that may be unaligned. */
  bytes(segment: number, input: number): Uint8Array<ArrayBuffer> | undefined;
  /** Bytes that were read. */
  readonly length: number;
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
  const buffers: ArrayBuffer[] = [];
  const progress = { next: 0, failed: false };
  const work = async () => {
    while (progress.next < spans.length && !progress.failed) {
      const span = spans[progress.next++];
      const source = span && plan.inputs[span.input]?.source;
      if (span === undefined || source === undefined) return;
      const bytes = await readExactly(source, span.begin, span.end);
      buffers.push(bytes.buffer);
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
  const release = () => {
    for (const buffer of buffers) freeBuffer(buffer);
    buffers.length = 0;
    lease.release();
  };
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  if (failure !== undefined) {
    release();
    throw failure.reason;
  }
  return { bytes: (segment, input) => views[segment]?.[input], length: lease.bytes, release };
}

/**
 * Gives a buffer's memory back at once. Left to the garbage collector, the buffers of finished chunks pile up to many
 * times what is in use (measured: 165 MiB where 16 are booked), and an isolate is killed for that.
 */
function freeBuffer(buffer: ArrayBuffer): void {
  buffer.transfer(0);
}

function spansOf({ segments }: Chunk, input: number): Span[] {
  const pieces = segments.flatMap(({ tensor, first, count }, index) => {
    const needed = input === 0 || tensor.treatment.kind === "average" || tensor.treatment.compare;
    const start = tensor.inputBegins[input];
    if (!needed || start === undefined) return [];
    const width = widthIn(tensor, input);
    return [{ index, begin: start + first * width, length: count * width }];
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

/** Bytes an element of a tensor in one of the inputs' files. */
export function widthIn({ dtypes, inputWidth }: PlannedTensor, input: number): number {
  const dtype = dtypes[input];
  return dtype === undefined ? inputWidth : DTYPES[dtype].bits / 8;
}

/** Bytes an element of a tensor in the input or output where it is widest. */
export function widestOf(tensor: PlannedTensor): number {
  return tensor.dtypes.reduce(
    (widest, _, input) => Math.max(widest, widthIn(tensor, input)),
    Math.max(tensor.inputWidth, tensor.outputWidth),
  );
}
