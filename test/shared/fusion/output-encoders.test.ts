import { beforeAll, describe, expect, it } from "vitest";
import type { FusionEngine } from "../../../shared/fusion/index.ts";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import { inputOf, writeCheckpoint } from "../../support/checkpoints.ts";
import { cutOracle, mergeOracle } from "../../support/combining-oracle.ts";
import { floatBytes, FLOAT_NAMES, type FloatName, roundFloat, valueOfBits } from "../../support/float-oracle.ts";
import { f32, fuseFile, testEngine } from "./fuse-tensors.ts";
import { filesFor, METHOD_CASES } from "./method-cases.ts";

let engine: FusionEngine;
beforeAll(async () => {
  engine = await testEngine();
});

/** Bit patterns of a tensor in a file, which must be of that format. */
function bitsOf(file: Uint8Array<ArrayBuffer>, name: string, format: FloatName): bigint[] {
  const { header, bytes } = decodeSafetensors(file);
  const tensor = header.tensors.find((candidate) => candidate.name === name);
  if (tensor === undefined) throw new Error(`no ${name}`);
  expect([name, tensor.dtype]).toEqual([name, format]);
  const data = bytes(tensor);
  const width = floatBytes(format);
  return Array.from({ length: data.length / width }, (_, index) =>
    data.subarray(index * width, (index + 1) * width).reduceRight((bits, byte) => (bits << 8n) | BigInt(byte), 0n),
  );
}

const NARROW = FLOAT_NAMES.filter((name) => name !== "F64");
const FLOATS = ["embedding", "layers.0.weight", "layers.1.weight", "layers.2.conv"];

describe.each(METHOD_CASES)("$title", (test) => {
  it("rounds its float64 once, to the nearest of the output's numbers", async () => {
    const { recipe, files } = await filesFor(test);
    const wide = await fuseFile({ ...recipe, dtype: "F64" }, files, engine);
    const names = FLOATS.filter((name) => wide.plan.tensors.some((tensor) => tensor.name === name));
    const doubles = new Map(
      names.map((name) => [name, bitsOf(wide.file, name, "F64").map((bits) => valueOfBits("F64", bits))]),
    );
    for (const dtype of NARROW) {
      const { file, report } = await fuseFile({ ...recipe, dtype }, files, engine);
      for (const [name, values] of doubles) {
        const found = bitsOf(file, name, dtype);
        const expected = values.map((value) => roundFloat(dtype, value));
        const wrong = expected.findIndex((bits, at) => bits !== found[at]);
        expect([dtype, name, wrong, found[wrong], values[wrong]]).toEqual([dtype, name, -1, undefined, undefined]);
      }
      expect(report.overflows).toBe(0);
    }
  });
});

/** Magnitudes from below the least number of any format to above the largest of the narrow ones, and ties in between. */
const COUNT = 6007;
const spread = (salt: number) =>
  Array.from({ length: COUNT }, (_, at) => {
    const exponent = ((at * 7 + salt * 3) % 48) - 26;
    const sign = (at + salt) % 3 === 0 ? -1 : 1;
    // Coarse digits half of the time, so that results fall on the middle between neighbours.
    const digits = at % 2 === 0 ? 1 + ((at * 5 + salt) % 64) / 64 : 1 + Math.abs(Math.sin(at * 1.7 + salt));
    return Math.fround(sign * digits * 2 ** exponent);
  });

const A = spread(1);
const B = spread(2);
const Z = spread(5).map((value) => Math.fround(value / 4));

/** Of A with weight 0.75 and B with weight 0.5, over Z. */
async function fuseSpread(recipe: { method: string; parameters: object }, dtype: FloatName) {
  const [a, b, z] = await Promise.all([A, B, Z].map((values) => inputOf(writeCheckpoint([f32("w", values)]))));
  if (a === undefined || b === undefined || z === undefined) throw new Error("three files were written");
  const inputs = [
    { checkpoint: a.id, weight: 0.75 },
    { checkpoint: b.id, weight: 0.5 },
  ];
  const { file, report, plan } = await fuseFile({ ...recipe, inputs, base: z.id, dtype }, [a, b, z], engine);
  // Sums run in the order of the recipe, which sorts its inputs.
  const order = plan.inputs.slice(0, 2).map(({ id }) => (id === a.id ? A : B));
  const factors = order.map((values) => (values === A ? 0.75 : 0.5));
  return { bits: bitsOf(file, "w", dtype), report, order, factors };
}

const overflowsOf = (dtype: FloatName, bits: readonly bigint[]) =>
  bits.filter((pattern) => !Number.isFinite(valueOfBits(dtype, pattern))).length;

describe.each(FLOAT_NAMES)("to %s, over the whole range of numbers", (dtype) => {
  it("TIES is the oracle's merge, rounded once; what overflows is counted", async () => {
    const density = 0.6;
    const { bits, report, order, factors } = await fuseSpread(
      { method: "ties", parameters: { density, lambda: 1.5 } },
      dtype,
    );
    const kept = Math.trunc(density * COUNT);
    const rows = order.map((values, input) => {
      const deltas = values.map((value, at) => value - (Z[at] ?? 0));
      const { indices } = cutOracle(deltas, kept);
      const mask = deltas.map((_, at) => (indices.has(at) ? 1 : 0));
      const factor = factors[input] ?? 0;
      return { values, mask, factor, weight: factor, low: 0, high: 0x7fffffff };
    });
    const expected = [...mergeOracle(rows, Z, 1.5, { negligible: 1e-8 })].map((value) => roundFloat(dtype, value));
    expect(bits.findIndex((pattern, at) => pattern !== expected[at])).toBe(-1);
    expect(report.overflows).toBe(overflowsOf(dtype, expected));
    if (dtype === "F16" || dtype === "F8_E4M3" || dtype === "F8_E5M2") expect(report.overflows).toBeGreaterThan(0);
    else expect(report.overflows).toBe(0);
  });

  it("nearswap is its formula in float64, rounded once", async () => {
    const t = 0.5;
    const [x, z] = await Promise.all([A, Z].map((values) => inputOf(writeCheckpoint([f32("w", values)]))));
    if (x === undefined || z === undefined) throw new Error("two files were written");
    const recipe = { method: "nearswap", inputs: [{ checkpoint: x.id }], base: z.id, parameters: { t }, dtype };
    const { file, report } = await fuseFile(recipe, [x, z], engine);
    const expected = A.map((value, at) => {
      const base = Z[at] ?? 0;
      const share = Math.min(1, t / Math.max(Math.abs(base - value), 1e-6));
      return roundFloat(dtype, share === 1 ? value : share * value + (1 - share) * base);
    });
    const bits = bitsOf(file, "w", dtype);
    expect(bits.findIndex((pattern, at) => pattern !== expected[at])).toBe(-1);
    expect(report.overflows).toBe(overflowsOf(dtype, expected));
  });

  it("DARE without thinning is task arithmetic, rounded once", async () => {
    const { bits, order, factors } = await fuseSpread({ method: "dare-linear", parameters: { density: 1 } }, dtype);
    const rows = order.map((values, input) => ({
      values,
      factor: factors[input] ?? 0,
      weight: 1,
      low: 0,
      high: 0x7fffffff,
    }));
    const expected = [...mergeOracle(rows, Z, 1, {})].map((value) => roundFloat(dtype, value));
    expect(bits.findIndex((pattern, at) => pattern !== expected[at])).toBe(-1);
  });
});
