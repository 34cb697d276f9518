import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  emptyObservations,
  fuseRange,
  fusionReport,
  mergeObservations,
  planFusion,
} from "../../../shared/fusion/index.ts";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import { inputOf, type TestTensor, writeCheckpoint } from "../../support/checkpoints.ts";
import { collect } from "../../support/collect.ts";
import { float64Average } from "../../support/float-oracle.ts";
import { bitsOf, engine, fuse, i64, randomTensors, recipeOf, valuesOf } from "./fuse-averages.ts";
import { f32 } from "./fuse-tensors.ts";

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
