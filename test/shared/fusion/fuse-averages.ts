import { expect } from "vitest";
import {
  emptyObservations,
  type FuseOptions,
  fuseRange,
  type FusionInput,
  fusionReport,
  planFusion,
} from "../../../shared/fusion/index.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import type { TestTensor } from "../../support/checkpoints.ts";
import { collect } from "../../support/collect.ts";
import { type FloatName, roundFloat, valueOfBits } from "../../support/float-oracle.ts";
import { testEngine } from "./fuse-tensors.ts";

export const MIB = 2 ** 20;
/** Of this process; after each fusion nothing may stay booked. */
export const engine = await testEngine(64 * MIB);

/** Weighted averages. */
export function recipeOf(
  inputs: readonly FusionInput[],
  rest: Record<string, unknown> = {},
  weights: readonly number[] = [],
) {
  return parseRecipe({
    method: "linear",
    inputs: inputs.map(({ id }, index) => ({ checkpoint: id, weight: weights[index] ?? 1 })),
    ...rest,
  });
}

/** Fuses, and checks that nothing stays booked whatever happened. */
export async function fuse(
  inputs: readonly FusionInput[],
  rest = {},
  options: FuseOptions = {},
  weights: readonly number[] = [],
) {
  const plan = planFusion(recipeOf(inputs, rest, weights), inputs);
  const observations = options.observations ?? emptyObservations(plan);
  try {
    const file = await collect(fuseRange(plan, engine, { ...options, observations }));
    return { plan, file, report: fusionReport(plan, observations) };
  } finally {
    expect(engine.budget.usedBytes).toBe(0);
  }
}

export const i64 = (name: string, values: readonly number[]): TestTensor => ({
  name,
  dtype: "I64",
  shape: [values.length],
  data: new Uint8Array(new BigInt64Array(values.map(BigInt)).buffer),
});
export const problem = (code: string, members: Record<string, unknown> = {}) =>
  expect.objectContaining({ code, members: expect.objectContaining(members) as unknown }) as Error;

/** Random tensors of every averaged dtype, integers and booleans, empty and rank 0 among them. */
export function randomTensors(seed: number, salt: number, sizes: readonly number[]): TestTensor[] {
  const dtypes = ["F32", "BF16", "I64", "F16", "BOOL", "F64", "U8"] as const;
  const bytes = { F32: 4, BF16: 2, F16: 2, F64: 8, I64: 8, BOOL: 1, U8: 1 };
  return sizes.map((elements, index) => {
    const dtype = dtypes[(index + seed) % dtypes.length] ?? "F32";
    const data = new Uint8Array(elements * bytes[dtype]);
    const view = new DataView(data.buffer);
    for (let at = 0; at < elements; at++) {
      const value = Math.sin((at + 1) * (index + 1.7) * (salt + 3.1)) * 0.3;
      if (dtype === "F32") view.setFloat32(at * 4, value, true);
      else if (dtype === "F64") view.setFloat64(at * 8, value, true);
      else if (dtype === "F16" || dtype === "BF16") view.setUint16(at * 2, Number(roundFloat(dtype, value)), true);
      else data.fill(at & 1, at * bytes[dtype], (at + 1) * bytes[dtype]);
    }
    return { name: `t${index}`, dtype, shape: elements === 1 && index % 2 === 0 ? [] : [elements], data };
  });
}

export function bitsOf(bytes: Uint8Array, dtype: FloatName): bigint[] {
  const width = dtype === "F32" ? 4 : dtype === "F64" ? 8 : 2;
  return Array.from({ length: bytes.length / width }, (_, at) =>
    bytes.slice(at * width, (at + 1) * width).reduceRight((bits, byte) => (bits << 8n) | BigInt(byte), 0n),
  );
}

export async function valuesOf(inputs: readonly (FusionInput | undefined)[], name: string, dtype: FloatName) {
  return Promise.all(
    inputs.map(async (input) => {
      const tensor = input?.header.tensors.find((candidate) => candidate.name === name);
      if (input === undefined || tensor === undefined) throw new Error(`no ${name}`);
      const { dataOffset } = input.header;
      const bytes = await input.source.read(dataOffset + tensor.begin, dataOffset + tensor.end);
      return bitsOf(bytes, dtype).map((bits) => valueOfBits(dtype, bits));
    }),
  );
}
