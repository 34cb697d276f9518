import { type FloatName, floatBytes, roundFloat, valueOfBits } from "../../support/float-oracle.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

/** The kernels of this process. */
export const { averaging: kernels } = await wasmEngine();

export const NARROW = ["F8_E4M3", "F8_E5M2", "F16", "BF16", "F32"] as const;
export const FLOAT8 = ["F8_E4M3", "F8_E5M2"] as const;
export const EQUAL = { 2: [1, 1], 7: [1, 1, 1, 1, 1, 1, 1] } as const;
export const UNEQUAL = { 2: [0.3, 0.7], 7: [0.1, 1, 2.5, 3e-3, 0.7, 11, 1 / 3] } as const;

function bitsOf(name: FloatName, heap: DataView, address: number): bigint {
  switch (floatBytes(name)) {
    case 1:
      return BigInt(heap.getUint8(address));
    case 2:
      return BigInt(heap.getUint16(address, true));
    case 4:
      return BigInt(heap.getUint32(address, true));
    default:
      return heap.getBigUint64(address, true);
  }
}

function storeBits(name: FloatName, heap: DataView, address: number, bits: bigint): void {
  if (floatBytes(name) === 1) heap.setUint8(address, Number(bits));
  else if (floatBytes(name) === 2) heap.setUint16(address, Number(bits), true);
  else if (floatBytes(name) === 4) heap.setUint32(address, Number(bits), true);
  else heap.setBigUint64(address, bits, true);
}

/** Runs a kernel over rows of bit patterns, one row an input. */
export function average(
  input: FloatName,
  output: FloatName,
  rows: readonly (readonly bigint[])[],
  weights: readonly number[],
  normalize = true,
): { bits: bigint[]; nonFinite: number } {
  const count = rows[0]?.length ?? 0;
  const { heap } = kernels;
  // An odd address: nothing promises alignment.
  const blocks = rows.map(() => heap.allocate(count * 8 + 1));
  const result = heap.allocate(count * 8 + 1);
  const addresses = blocks.map((block) => block + 1);
  const table = kernels.prepareWeights(addresses, weights, normalize);
  const view = new DataView(heap.memory.buffer);
  for (const [index, row] of rows.entries()) {
    for (const [at, bits] of row.entries()) {
      storeBits(input, view, (addresses[index] ?? 0) + at * floatBytes(input), bits);
    }
  }
  const nonFinite = kernels.average(table, input, output, result + 1, count);
  const bits = Array.from({ length: count }, (_, at) => bitsOf(output, view, result + 1 + at * floatBytes(output)));
  table.free();
  for (const block of [...blocks, result]) heap.free(block);
  return { bits, nonFinite };
}

/** Deterministic bit patterns that reach every corner of a format: all exponents, few or many fraction bits. */
export function patterns(name: FloatName, count: number, seed: number): bigint[] {
  let state = BigInt(seed) * 0x9e3779b97f4a7c15n + 1n;
  const next = () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return ((state >> 33n) ^ (state << 20n)) & 0xffffffffffffffffn;
  };
  const width = BigInt(floatBytes(name) * 8);
  return Array.from({ length: count }, () => {
    for (;;) {
      const bits = next() & ((1n << width) - 1n);
      if (Number.isFinite(valueOfBits(name, bits))) return bits;
    }
  });
}

/** Bit patterns of numbers near one. */
export function weightsLike(name: FloatName, count: number, seed: number): bigint[] {
  return Array.from({ length: count }, (_, index) => roundFloat(name, Math.sin(index * 12.9898 + seed * 78.233) * 0.5));
}
