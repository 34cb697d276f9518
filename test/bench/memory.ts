/**
 * Memory of a fusion that is far larger than what it may hold: eight checkpoints of 2 GiB each, made up as they are read
 * and never stored, through the core that the worker runs, with the worker's budget.
 */
import { createHash } from "node:crypto";
import {
  defaultChunkBytes,
  type FusionInput,
  fuseRange,
  planFusion,
  readFusionInput,
} from "../../shared/fusion/index.ts";
import { checkpointId } from "../../shared/identity.ts";
import { parseRecipe } from "../../shared/recipe/canonical-recipe.ts";
import { layoutSafetensors } from "../../shared/safetensors/index.ts";
import { startAveragingEngine } from "../../trainer/backend/averaging-engine.ts";

const MEBIBYTE = 2 ** 20;
const INPUTS = 8;
const TENSORS = 32;
const TENSOR_BYTES = 64 * MEBIBYTE;
const BUDGET_BYTES = 64 * MEBIBYTE;
const LIMITS = { budget: 64 * MEBIBYTE, arrayBuffers: 96 * MEBIBYTE, heap: 48 * MEBIBYTE };
const SAMPLE_MILLISECONDS = 2;
const BLOCK_BYTES = MEBIBYTE;

export interface MemoryFigures {
  /** Most bytes that were booked at a time. */
  readonly budget: number;
  /** Most bytes of array buffers that were alive or not yet collected, beyond the bench's own. */
  readonly arrayBuffers: number;
  /** tfjs's heap at the end; it never shrinks. */
  readonly heap: number;
  readonly inputBytes: number;
  readonly seconds: number;
}

/** A checkpoint that costs a copy to read: one random block, turned by another amount at every mebibyte. */
async function syntheticInput(seed: number, block: Uint8Array<ArrayBuffer>): Promise<FusionInput> {
  const { headerBytes, dataOffset, fileLength } = layoutSafetensors(
    Array.from({ length: TENSORS }, (_, index) => ({
      name: `layers.${index}.weight`,
      dtype: "F32" as const,
      shape: [TENSOR_BYTES / 4 / 1024, 1024],
    })),
    { seed: String(seed) },
  );
  const fill = (target: Uint8Array, begin: number) => {
    for (let at = 0; at < target.length;) {
      const position = begin + at;
      const turn = 4 * ((Math.floor(position / BLOCK_BYTES) * 7919 + seed * 104_729) % (BLOCK_BYTES / 4));
      const within = position % BLOCK_BYTES;
      const from = (within + turn) % BLOCK_BYTES;
      const length = Math.min(target.length - at, BLOCK_BYTES - within, BLOCK_BYTES - from);
      target.set(block.subarray(from, from + length), at);
      at += length;
    }
  };
  const source = {
    // A turn of the event loop, as reads of real storage take.
    async read(begin: number, end: number) {
      await new Promise(setImmediate);
      const bytes = new Uint8Array(end - begin);
      const header = headerBytes.subarray(begin, Math.min(end, dataOffset));
      bytes.set(header);
      fill(bytes.subarray(header.length), begin + header.length - dataOffset);
      return bytes;
    },
  };
  const id = checkpointId.parse(createHash("sha256").update(`synthetic ${seed}`).digest("hex"));
  return readFusionInput(id, source, fileLength);
}

/** Small numbers of both signs, all finite. */
function randomBlock(): Uint8Array<ArrayBuffer> {
  const values = new Float32Array(BLOCK_BYTES / 4);
  let state = 1;
  for (let at = 0; at < values.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    values[at] = state / 2 ** 32 - 0.5;
  }
  return new Uint8Array(values.buffer);
}

/** Fuses, and samples what is held every few milliseconds and at every chunk. */
export async function measureMemory(): Promise<MemoryFigures> {
  const engine = await startAveragingEngine(BUDGET_BYTES);
  const block = randomBlock();
  const inputs = await Promise.all(Array.from({ length: INPUTS }, (_, seed) => syntheticInput(seed, block)));
  const recipe = parseRecipe({
    method: "linear",
    inputs: inputs.map(({ id }, index) => ({ checkpoint: id, weight: index + 1 })),
  });
  const plan = planFusion(recipe, inputs);
  const before = process.memoryUsage().arrayBuffers;
  let arrayBuffers = 0;
  const sample = () => {
    arrayBuffers = Math.max(arrayBuffers, process.memoryUsage().arrayBuffers - before);
  };
  const timer = setInterval(sample, SAMPLE_MILLISECONDS);
  const start = performance.now();
  let written = 0;
  try {
    for await (const chunk of fuseRange(plan, engine)) {
      written += chunk.length;
      sample();
    }
  } finally {
    clearInterval(timer);
  }
  if (written !== plan.layout.fileLength) throw new Error(`${written} of ${plan.layout.fileLength} bytes came`);
  process.stdout.write(`  chunks of ${defaultChunkBytes(plan, engine)} bytes\n`);
  return {
    budget: engine.budget.highWaterBytes,
    arrayBuffers,
    heap: engine.kernels.heap.memory.buffer.byteLength,
    inputBytes: INPUTS * plan.layout.fileLength,
    seconds: (performance.now() - start) / 1000,
  };
}

/** Prints the figures of {@link measureMemory}. @throws Error where a bound is broken */
export async function benchMemory(): Promise<void> {
  const figures = await measureMemory();
  const broken: string[] = [];
  const line = (what: string, bytes: number, limit: number) => {
    if (bytes > limit) broken.push(what);
    const shown = `${(bytes / MEBIBYTE).toFixed(1).padStart(6)} MiB of at most ${limit / MEBIBYTE}`;
    process.stdout.write(`  ${what.padEnd(32)}${shown}${bytes > limit ? "  BROKEN" : ""}\n`);
  };
  line("peak of the memory budget", figures.budget, LIMITS.budget);
  line("peak of array buffers", figures.arrayBuffers, LIMITS.arrayBuffers);
  line("tfjs heap", figures.heap, LIMITS.heap);
  const rate = figures.inputBytes / figures.seconds / 1e9;
  process.stdout.write(
    `  ${INPUTS} x ${((TENSORS * TENSOR_BYTES) / 2 ** 30).toFixed(0)} GiB in ${figures.seconds.toFixed(1)} s: ` +
      `${rate.toFixed(2)} GB/s of input, made up on the way\n`,
  );
  if (broken.length > 0) throw new Error(`over the limit: ${broken.join(", ")}`);
}
