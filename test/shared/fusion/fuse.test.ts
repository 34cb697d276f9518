import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  emptyObservations,
  type FuseOptions,
  fuseRange,
  type FusionEngine,
  type FusionInput,
  fusionReport,
  mergeObservations,
  planFusion,
} from "../../../shared/fusion/index.ts";
import { MemoryBudget } from "../../../shared/memory-budget.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import { inputOf, type TestTensor, writeCheckpoint } from "../../support/checkpoints.ts";
import { float64Average, type FloatName, roundFloat, valueOfBits } from "../../support/float-oracle.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

const MIB = 2 ** 20;
let engine: FusionEngine;
beforeAll(async () => {
  engine = { kernels: (await wasmEngine()).averaging, budget: new MemoryBudget(64 * MIB) };
});

function recipeOf(inputs: readonly FusionInput[], rest: Record<string, unknown> = {}, weights: readonly number[] = []) {
  return parseRecipe({
    method: "linear",
    inputs: inputs.map(({ id }, index) => ({ checkpoint: id, weight: weights[index] ?? 1 })),
    ...rest,
  });
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Fuses, and checks that nothing stays booked whatever happened. */
async function fuse(
  inputs: readonly FusionInput[],
  rest = {},
  options: FuseOptions = {},
  weights: readonly number[] = [],
) {
  const plan = planFusion(recipeOf(inputs, rest, weights), inputs);
  const observations = options.observations ?? emptyObservations(plan);
  try {
    const file = await collect(fuseRange(plan, engine, { ...options, observations }));
    return { plan, file: new Uint8Array(file), report: fusionReport(plan, observations) };
  } finally {
    expect(engine.budget.usedBytes).toBe(0);
  }
}

const f32 = (name: string, values: readonly number[], shape = [values.length]): TestTensor => ({
  name,
  dtype: "F32",
  shape,
  data: new Uint8Array(new Float32Array(values).buffer),
});
const i64 = (name: string, values: readonly number[]): TestTensor => ({
  name,
  dtype: "I64",
  shape: [values.length],
  data: new Uint8Array(new BigInt64Array(values.map(BigInt)).buffer),
});
const problem = (code: string, members: Record<string, unknown> = {}) =>
  expect.objectContaining({ code, members: expect.objectContaining(members) as unknown }) as Error;

/** Random tensors of every averaged dtype, integers and booleans, empty and rank 0 among them. */
function randomTensors(seed: number, salt: number, sizes: readonly number[]): TestTensor[] {
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

describe("the fused file", () => {
  it("averages floats, keeps integers, and lays tensors out as the reference writer does", async () => {
    const inputs = await Promise.all([
      inputOf(writeCheckpoint([f32("b", [1, -0, 3]), i64("steps", [5]), f32("a", [2]), f32("none", [], [0, 4])])),
      inputOf(writeCheckpoint([i64("steps", [5]), f32("none", [], [0, 4]), f32("a", [4]), f32("b", [2, -0, 5])])),
    ]);
    const { file, report, plan } = await fuse(inputs);
    const { header, bytes } = decodeSafetensors(file);
    expect(header.tensors.map(({ name }) => name)).toEqual(["steps", "a", "b", "none"]);
    const [steps, a, b] = header.tensors.map((tensor) => bytes(tensor).slice());
    expect(new BigInt64Array(steps?.buffer ?? new ArrayBuffer(0))).toEqual(new BigInt64Array([5n]));
    expect(new Float32Array(a?.buffer ?? new ArrayBuffer(0))).toEqual(new Float32Array([3]));
    expect(new Float32Array(b?.buffer ?? new ArrayBuffer(0))).toEqual(new Float32Array([1.5, -0, 4]));
    expect(header.dataOffset % 8).toBe(0);
    expect(JSON.parse(header.metadata["edgefuse.recipe"] ?? "")).toEqual(plan.recipe);
    expect(header.metadata["format"]).toBe("pt");
    expect(report).toMatchObject({ elements: 5, overflows: 0, alignment: { declared: false, verified: false } });
  });

  it("does not depend on the order in which inputs are named, and is right for seven", async () => {
    const inputs = await Promise.all(
      Array.from({ length: 7 }, (_, salt) => inputOf(writeCheckpoint(randomTensors(0, salt, [300, 9000, 3, 17])))),
    );
    const weights = [0.1, 1, 2.5, 3e-3, 0.7, 11, 1 / 3];
    const { file, plan } = await fuse(inputs, {}, {}, weights);
    const turned = await fuse(inputs.toReversed(), {}, {}, weights.toReversed());
    expect(Buffer.compare(turned.file, file)).toBe(0);
    const { header, bytes } = decodeSafetensors(file);
    for (const { name, dtype } of header.tensors) {
      if (dtype !== "F32" && dtype !== "BF16" && dtype !== "F16") continue;
      const elements = await valuesOf(
        plan.inputs.map(({ id }) => inputs.find((input) => input.id === id)),
        name,
        dtype,
      );
      const tensor = header.tensors.find((candidate) => candidate.name === name);
      const found = bitsOf(tensor === undefined ? new Uint8Array() : bytes(tensor), dtype);
      const expected = found.map((_, at) =>
        float64Average(
          dtype,
          elements.map((row) => row[at] ?? 0),
          plan.inputs.map(({ weight }) => weight),
        ),
      );
      expect(found).toEqual(expected);
    }
  });

  it("converts to the dtype that the recipe asks for, and leaves integers alone", async () => {
    const file = writeCheckpoint([f32("w", [1, 1 + 2 ** -9, 70000]), i64("n", [1, 2])]);
    const inputs = [await inputOf(file)];
    const bf16 = decodeSafetensors((await fuse(inputs, { dtype: "BF16" })).file);
    expect(bf16.header.tensors.map(({ name, dtype }) => [name, dtype])).toEqual([
      ["n", "I64"],
      ["w", "BF16"],
    ]);
    const { file: half, report } = await fuse(inputs, { dtype: "F16" });
    expect(bitsOf(half.subarray(-6), "F16").at(-1)).toBe(0x7c00n);
    expect(report.overflows).toBe(1);
  });
});

function bitsOf(bytes: Uint8Array, dtype: FloatName): bigint[] {
  const width = dtype === "F32" ? 4 : dtype === "F64" ? 8 : 2;
  return Array.from({ length: bytes.length / width }, (_, at) =>
    bytes.slice(at * width, (at + 1) * width).reduceRight((bits, byte) => (bits << 8n) | BigInt(byte), 0n),
  );
}

async function valuesOf(inputs: readonly (FusionInput | undefined)[], name: string, dtype: FloatName) {
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

describe("any layout, chunk and range", () => {
  it("gives the same bytes and the same observations", async () => {
    const sizes = fc.array(fc.oneof(fc.nat(40), fc.constant(1), fc.constant(0)), { minLength: 1, maxLength: 9 });
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.nat(6),
        fc.nat(1e6),
        fc.integer({ min: 1, max: 400 }),
        fc.array(fc.nat(1e6), { maxLength: 5 }),
        async (counts, seed, shuffle, chunkBytes, cuts) => {
          const inputs = await Promise.all(
            [1, 2, 3].map((salt) => {
              const tensors = randomTensors(seed, salt, counts);
              const key = ({ name }: TestTensor) => Math.sin(shuffle + salt * 7 + Number(name.slice(1)) * 31);
              return inputOf(
                writeCheckpoint(
                  tensors.toSorted((a, b) => key(a) - key(b)),
                  salt === 2 ? { pad: "x".repeat(shuffle % 9) } : undefined,
                ),
              );
            }),
          );
          const whole = await fuse(inputs, {}, {}, [1, 2, 3]);
          const { plan } = whole;
          const length = plan.layout.fileLength;
          expect(whole.file.length).toBe(length);
          const small = await fuse(inputs, {}, { chunkBytes }, [1, 2, 3]);
          expect(Buffer.compare(small.file, whole.file)).toBe(0);

          const edges = [0, ...cuts.map((cut) => cut % (length + 1)).sort((a, b) => a - b), length];
          const parts = [];
          for (let index = 1; index < edges.length; index++) {
            const observations = emptyObservations(plan);
            const range = { begin: edges[index - 1] ?? 0, end: edges[index] ?? 0, chunkBytes, observations };
            parts.push({ bytes: await collect(fuseRange(plan, engine, range)), observations });
          }
          expect(Buffer.compare(Buffer.concat(parts.map(({ bytes }) => bytes)), whole.file)).toBe(0);
          const merged = mergeObservations(
            plan,
            parts.map(({ observations }) => observations),
          );
          expect(fusionReport(plan, merged)).toEqual(whole.report);
          expect(engine.budget.usedBytes).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("reads a file laid out like the output once a chunk, however many tensors it has", async () => {
    const tensors = Array.from({ length: 200 }, (_, index) => f32(`t${String(index).padStart(3, "0")}`, [index, 1, 2]));
    const reads: [number, number][] = [];
    const inputs = [
      await inputOf(writeCheckpoint(tensors), reads),
      await inputOf(writeCheckpoint(tensors, { a: "b" })),
    ];
    reads.length = 0;
    await fuse(inputs);
    expect(reads.length).toBe(1);
  });

  it("reads the next chunk while the caller holds the current one, and no further", async () => {
    const reads: [number, number][] = [];
    const input = await inputOf(
      writeCheckpoint([
        f32(
          "w",
          Array.from({ length: 1000 }, () => 1),
        ),
      ]),
      reads,
    );
    reads.length = 0;
    const plan = planFusion(recipeOf([input]), [input]);
    const stream = fuseRange(plan, engine, { begin: plan.layout.dataOffset, chunkBytes: 400 });
    await stream.next();
    expect(reads.length).toBe(2);
    await stream.next();
    expect(reads.length).toBe(3);
    await stream.return();
    expect(engine.budget.usedBytes).toBe(0);
  });
});

describe("refusals", () => {
  it("names tensor, element and input of the first value that is not finite", async () => {
    const values = Array.from({ length: 20000 }, () => 1);
    const clean = await inputOf(writeCheckpoint([f32("a", [1]), f32("w", values)]));
    const dirty = await inputOf(
      writeCheckpoint([f32("w", values.with(15001, Infinity).with(17000, Number.NaN)), f32("a", [1])]),
    );
    for (const chunkBytes of [100, 5000, MIB]) {
      await expect(fuse([clean, dirty], {}, { chunkBytes })).rejects.toThrow(
        problem("non-finite-values", { tensor: "w", index: 15001, input: dirty.id }),
      );
    }
    const { report } = await fuse([clean, dirty], { allowNonFinite: true });
    expect(report.nonFinite.find(({ input }) => input === dirty.id)?.count).toBe(2);
    expect(report.overflows).toBe(0);
  });

  it("names tensor and element where integers differ, or takes the canonical first", async () => {
    const inputs = await Promise.all(
      [
        [1, 2, 3],
        [1, 2, 300],
      ].map((values) => inputOf(writeCheckpoint([i64("n", values)]))),
    );
    await expect(fuse(inputs)).rejects.toThrow(problem("non-float-mismatch", { tensor: "n", index: 2 }));
    const { file, plan } = await fuse(inputs, { nonFloat: "first" });
    const first = inputs.find(({ id }) => id === plan.inputs[0]?.id);
    expect(file.slice(-24)).toEqual(await first?.source.read(first.header.fileLength - 24, first.header.fileLength));
  });

  it("passes on a source's failure, ends on a signal, and gives all memory back", async () => {
    const good = await inputOf(
      writeCheckpoint([
        f32(
          "w",
          Array.from({ length: 5000 }, () => 1),
        ),
      ]),
    );
    const short: FusionInput = { ...good, source: { read: async (begin, end) => new Uint8Array(end - begin - 1) } };
    await expect(fuse([short])).rejects.toThrow(problem("truncated-file"));
    let reads = 0;
    const failing: FusionInput = {
      ...good,
      source: {
        read: (begin, end) => (reads++ < 2 ? good.source.read(begin, end) : Promise.reject(new Error("gone"))),
      },
    };
    await expect(fuse([failing], {}, { chunkBytes: 4000 })).rejects.toThrow("gone");
    const controller = new AbortController();
    const plan = planFusion(recipeOf([good]), [good]);
    const stream = fuseRange(plan, engine, {
      chunkBytes: 1000,
      signal: controller.signal,
      begin: plan.layout.dataOffset,
    });
    await stream.next();
    controller.abort(new Error("enough"));
    await expect(stream.next()).rejects.toThrow("enough");
    expect(engine.budget.usedBytes).toBe(0);
  });

  it("refuses a range outside the file, and a budget that is too small before the first byte of data", async () => {
    const input = await inputOf(writeCheckpoint([f32("w", [1, 2])]));
    const plan = planFusion(recipeOf([input]), [input]);
    await expect(collect(fuseRange(plan, engine, { end: plan.layout.fileLength + 1 }))).rejects.toThrow(
      problem("range-not-satisfiable"),
    );
    const tight = { ...engine, budget: new MemoryBudget(1000) };
    await expect(collect(fuseRange(plan, tight, { begin: plan.layout.dataOffset }))).rejects.toThrow(
      problem("over-budget"),
    );
    expect(tight.budget.usedBytes).toBe(0);
  });
});

it("fuses 4 x 64 MiB that are never stored within a few MiB", async () => {
  const elements = 16 * MIB;
  const header = writeCheckpoint([{ name: "w", dtype: "F32", shape: [elements], data: new Uint8Array(0) }]);
  const text = new TextDecoder().decode(header.subarray(8)).replace("[0,0]", `[0,${elements * 4}]`);
  const inputs = [1, 2, 3, 4].map((salt): FusionInput => {
    const dataOffset = 8 + text.length;
    const read = async (begin: number, end: number) => new Uint8Array(end - begin).fill(salt);
    const tensors = [{ name: "w", dtype: "F32" as const, shape: [elements], begin: 0, end: elements * 4 }];
    const id = String(salt).repeat(64) as FusionInput["id"];
    return {
      id,
      source: { read },
      header: { dataOffset, fileLength: dataOffset + elements * 4, metadata: {}, tensors },
    };
  });
  const budget = new MemoryBudget(32 * MIB);
  const plan = planFusion(recipeOf(inputs), inputs);
  let bytes = 0;
  for await (const chunk of fuseRange(plan, { ...engine, budget })) bytes += chunk.length;
  expect(bytes).toBe(plan.layout.fileLength);
  expect(budget.highWaterBytes).toBeLessThanOrEqual(10 * MIB);
  expect(budget.usedBytes).toBe(0);
  expect(engine.kernels.heap.memory.buffer.byteLength).toBeLessThan(48 * MIB);
});
