import * as tf from "@tensorflow/tfjs-core";
import { type AveragedDtype } from "../../shared/kernels/averaging.ts";
import { wasmEngine } from "../support/wasm-engine.ts";
import { PytorchAverage, type PytorchWay } from "./pytorch.ts";

const INPUTS = 4;
const ELEMENTS = 2 ** 20;
/** What a fusion of four inputs takes; see `shared/fusion/workspace.ts`. */
const BLOCK = 8192;
const REPEATS = 15;
const WEIGHTS = [0.1, 0.2, 0.3, 0.4];
const WIDTHS: Readonly<Record<AveragedDtype, number>> = { F8_E4M3: 1, F8_E5M2: 1, F32: 4, F16: 2, BF16: 2, F64: 8 };

/** One measured way of averaging. */
export interface AveragingFigure {
  readonly what: string;
  /** 10^9 bytes of input a second. */
  readonly gigabytesPerSecond: number;
}

/** Fastest of several runs: the machine is shared, and only slower runs say something about the others on it. */
function measure(what: string, width: number, run: () => void): AveragingFigure {
  let best = Infinity;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const start = performance.now();
    run();
    best = Math.min(best, performance.now() - start);
  }
  return { what, gigabytesPerSecond: (INPUTS * ELEMENTS * width) / best / 1e6 };
}

/** Bit patterns of small normal numbers. */
function fill(dtype: AveragedDtype, bytes: Uint8Array<ArrayBuffer>, salt: number): void {
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < ELEMENTS; at++) {
    const value = Math.sin(at * salt + 1) * 0.05;
    if (dtype === "F32") view.setFloat32(at * 4, value, true);
    else if (dtype === "F64") view.setFloat64(at * 8, value, true);
    else if (dtype === "F16") view.setUint16(at * 2, 0x2400 + (at % 1024), true);
    else if (dtype === "BF16") view.setUint16(at * 2, bfloat16(value), true);
    else view.setUint8(at, 0x20 + ((at * salt) % 0x30));
  }
}

const WORD = new DataView(new ArrayBuffer(4));

function bfloat16(value: number): number {
  WORD.setFloat32(0, value);
  return WORD.getUint16(0);
}

/**
 * Weighted average of four arrays of 2^20 elements, from JavaScript memory back into it, in one run: our kernels (copies
 * into the heap included, as a fusion makes them), tfjs element-wise operations on tensors that are already in its heap,
 * and a plain JavaScript loop.
 */
export async function measureAveraging(): Promise<AveragingFigure[]> {
  const { heap, averaging } = await wasmEngine();
  const figures: AveragingFigure[] = [];
  for (const dtype of ["F32", "F16", "BF16", "F64", "F8_E4M3", "F8_E5M2"] as const) {
    const width = WIDTHS[dtype];
    const arrays = WEIGHTS.map((_, index) => {
      const bytes = new Uint8Array(ELEMENTS * width);
      fill(dtype, bytes, index + 1);
      return bytes;
    });
    const result = new Uint8Array(ELEMENTS * width);
    const blocks = WEIGHTS.map(() => heap.allocate(BLOCK * width));
    const output = heap.allocate(BLOCK * width);
    const table = averaging.prepareWeights(blocks, WEIGHTS, true);
    const bytes = new Uint8Array(heap.memory.buffer);
    figures.push(
      measure(`${dtype} edgefuse kernel, exact, copies included`, width, () => {
        for (let begin = 0; begin < ELEMENTS * width; begin += BLOCK * width) {
          for (const [index, block] of blocks.entries()) {
            bytes.set(arrays[index]?.subarray(begin, begin + BLOCK * width) ?? [], block);
          }
          averaging.average(table, dtype, dtype, output, BLOCK);
          result.set(bytes.subarray(output, output + BLOCK * width), begin);
        }
      }),
      measure(`${dtype} edgefuse kernel alone`, width, () => {
        for (let begin = 0; begin < ELEMENTS; begin += BLOCK) averaging.average(table, dtype, dtype, output, BLOCK);
      }),
    );
    table.free();
    for (const address of [...blocks, output]) heap.free(address);
    if (dtype === "F32") figures.push(...measureFloat32(arrays));
    if (dtype === "BF16") figures.push(measureBfloat16(arrays));
  }
  return figures;
}

function measureFloat32(arrays: readonly Uint8Array<ArrayBuffer>[]): AveragingFigure[] {
  const values = arrays.map((bytes) => new Float32Array(bytes.buffer));
  const tensors = values.map((array) => tf.tensor1d(array));
  const elementWise = measure("F32 tfjs element-wise operations, float32 sums", 4, () => {
    const sum = tf.tidy(() => tf.addN(tensors.map((tensor, index) => tf.mul(tensor, WEIGHTS[index] ?? 0))));
    sum.dataSync();
    sum.dispose();
  });
  tf.dispose(tensors);
  const [a = new Float32Array(), b = a, c = a, d = a] = values;
  const [wa = 0, wb = 0, wc = 0, wd = 0] = WEIGHTS;
  const total = wa + wb + wc + wd;
  const result = new Float32Array(ELEMENTS);
  const loop = measure("F32 plain JavaScript loop, float64 sums", 4, () => {
    for (let at = 0; at < ELEMENTS; at++) {
      const sum = wa * (a[at] ?? 0) + wb * (b[at] ?? 0) + wc * (c[at] ?? 0) + wd * (d[at] ?? 0);
      result[at] = sum / total;
    }
  });
  return [elementWise, loop];
}

function measureBfloat16(arrays: readonly Uint8Array<ArrayBuffer>[]): AveragingFigure {
  const values = arrays.map((bytes) => new Uint16Array(bytes.buffer));
  const [a = new Uint16Array(), b = a, c = a, d = a] = values;
  const [wa = 0, wb = 0, wc = 0, wd = 0] = WEIGHTS;
  const total = wa + wb + wc + wd;
  const result = new Uint16Array(ELEMENTS);
  const word = new Uint32Array(1);
  const float = new Float32Array(word.buffer);
  const decode = (bits: number) => {
    word[0] = bits << 16;
    return float[0] ?? 0;
  };
  return measure("BF16 plain JavaScript loop, rounded twice", 2, () => {
    for (let at = 0; at < ELEMENTS; at++) {
      const sum = wa * decode(a[at] ?? 0) + wb * decode(b[at] ?? 0) + wc * decode(c[at] ?? 0) + wd * decode(d[at] ?? 0);
      float[0] = sum / total;
      const bits = word[0] ?? 0;
      result[at] = (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
    }
  });
}

/** What averaging four large arrays takes: ours, and PyTorch's ways. Milliseconds, the fastest of several turns. */
export interface LargeAverage {
  readonly dtype: "F32" | "BF16";
  readonly weights: readonly number[];
  readonly edgefuse: number;
  /** Undefined where PyTorch is not installed. */
  readonly pytorch: Readonly<Record<PytorchWay, number>> | undefined;
}

const TURNS = 3;
const WAYS = ["loop", "wide", "fused"] as const satisfies readonly PytorchWay[];

/**
 * Averages four arrays of 64 Mi elements (256 MiB in F32, 128 MiB in BF16) that lie in JavaScript memory into a fifth, through
 * the heap, block by block; in turns with PyTorch on one core, so that both meet the same machine.
 */
export async function measureLarge(
  dtype: "F32" | "BF16",
  weights: readonly number[],
  elements = 64 * 2 ** 20,
): Promise<LargeAverage> {
  const { heap, averaging } = await wasmEngine();
  const width = WIDTHS[dtype];
  const arrays = weights.map((_, index) => {
    const bytes = new Uint8Array(elements * width);
    fill(dtype, bytes, index + 1);
    for (let at = ELEMENTS * width; at < bytes.length; at += ELEMENTS * width) {
      bytes.copyWithin(at, 0, Math.min(ELEMENTS * width, bytes.length - at));
    }
    return bytes;
  });
  const result = new Uint8Array(elements * width);
  const blocks = weights.map(() => heap.allocate(BLOCK * width));
  const output = heap.allocate(BLOCK * width);
  const table = averaging.prepareWeights(blocks, weights, true);
  const bytes = new Uint8Array(heap.memory.buffer);
  const run = () => {
    const start = performance.now();
    for (let begin = 0; begin < result.length; begin += BLOCK * width) {
      for (const [index, block] of blocks.entries()) {
        bytes.set(arrays[index]?.subarray(begin, begin + BLOCK * width) ?? [], block);
      }
      averaging.average(table, dtype, dtype, output, BLOCK);
      result.set(bytes.subarray(output, output + BLOCK * width), begin);
    }
    return performance.now() - start;
  };
  const pytorch = await PytorchAverage.start(dtype === "F32" ? "f32" : "bf16", elements, weights);
  let edgefuse = Infinity;
  const fastest: Record<PytorchWay, number> = { loop: Infinity, wide: Infinity, fused: Infinity };
  for (let turn = 0; turn < TURNS; turn++) {
    edgefuse = Math.min(edgefuse, run());
    if (pytorch === undefined) continue;
    for (const way of WAYS) fastest[way] = Math.min(fastest[way], await pytorch.average(way));
  }
  pytorch?.stop();
  table.free();
  for (const address of [...blocks, output]) heap.free(address);
  return { dtype, weights, edgefuse, pytorch: pytorch === undefined ? undefined : fastest };
}

/** What PyTorch's ways are, and the one whose precision comes nearest to ours. */
const WAY_NAMES: Readonly<Record<PytorchWay, string>> = {
  loop: "average += tensor * weight, in its own precision",
  wide: "the same in float32, rounded at the end",
  fused: "average.add_(tensor, alpha=weight), in its own precision",
};

async function benchLarge(): Promise<void> {
  for (const dtype of ["F32", "BF16"] as const) {
    for (const weights of [[1, 1, 1, 1], WEIGHTS]) {
      const { edgefuse, pytorch } = await measureLarge(dtype, weights);
      process.stdout.write(`four arrays of 64 Mi ${dtype}, weights ${weights.join(", ")}, copies included\n`);
      process.stdout.write(`  ${"edgefuse, exact".padEnd(68)} ${edgefuse.toFixed(0).padStart(6)} ms\n`);
      if (pytorch === undefined) {
        process.stdout.write("  PyTorch is not installed (Debian: python3-torch); no comparison\n");
        continue;
      }
      for (const way of WAYS) {
        const milliseconds = pytorch[way];
        process.stdout.write(
          `  ${`PyTorch, one core: ${WAY_NAMES[way]}`.padEnd(68)} ${milliseconds.toFixed(0).padStart(6)} ms` +
            `  ${(milliseconds / edgefuse).toFixed(1)} times as long\n`,
        );
      }
    }
  }
}

/** Prints the figures of {@link measureAveraging}. */
export async function benchAveraging(): Promise<void> {
  process.stdout.write(`weighted average of ${INPUTS} arrays of 2^20 elements, GB/s of input\n`);
  for (const { what, gigabytesPerSecond } of await measureAveraging()) {
    process.stdout.write(`  ${what.padEnd(52)} ${gigabytesPerSecond.toFixed(2).padStart(7)}\n`);
  }
  await benchLarge();
}
