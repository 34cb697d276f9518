import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { fuseRange, type FusionEngine, planFusion } from "../../../shared/fusion/index.ts";
import { MemoryBudget } from "../../../shared/memory-budget.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import { inputOf, type TestTensor, writeCheckpoint } from "../../support/checkpoints.ts";
import { collect } from "../../support/collect.ts";
import { type FloatName, floatBytes, roundFloat, valueOfBits } from "../../support/float-oracle.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

let engine: FusionEngine;
beforeAll(async () => {
  engine = { kernels: (await wasmEngine()).averaging, budget: new MemoryBudget(64 * 2 ** 20) };
});

async function average(files: readonly Uint8Array<ArrayBuffer>[], rest: Record<string, unknown> = {}) {
  const inputs = await Promise.all(files.map((file) => inputOf(file)));
  const recipe = parseRecipe({ method: "linear", inputs: inputs.map(({ id }) => ({ checkpoint: id })), ...rest });
  const plan = planFusion(recipe, inputs);
  const { header, bytes } = decodeSafetensors(await collect(fuseRange(plan, engine, { chunkBytes: 64 })));
  return {
    header,
    values: (name: string) => {
      const tensor = header.tensors.find((candidate) => candidate.name === name);
      if (tensor === undefined) throw new Error(`no tensor ${name}`);
      const data = bytes(tensor).slice();
      const format = tensor.dtype as FloatName;
      const width = floatBytes(format);
      return Array.from({ length: data.length / width }, (_, at) =>
        valueOfBits(
          format,
          data.subarray(at * width, (at + 1) * width).reduceRight((bits, byte) => (bits << 8n) | BigInt(byte), 0n),
        ),
      );
    },
  };
}

function floats(name: string, dtype: FloatName, values: readonly number[], shape = [values.length]): TestTensor {
  const width = floatBytes(dtype);
  const data = new Uint8Array(values.length * width);
  for (const [at, value] of values.entries()) {
    const bits = roundFloat(dtype, value);
    for (let byte = 0; byte < width; byte++) data[at * width + byte] = Number((bits >> BigInt(8 * byte)) & 0xffn);
  }
  return { name, dtype, shape, data };
}

describe("an average keeps every tensor", () => {
  it("tied ones, which both keep their names and stay equal", async () => {
    const member = (a: number) => {
      const tied = [a, 2 * a, -a];
      return writeCheckpoint([
        floats("model.embed_tokens.weight", "BF16", tied, [3, 1]),
        floats("lm_head.weight", "BF16", tied, [3, 1]),
      ]);
    };
    const { header, values } = await average([member(1), member(2)]);
    expect(header.tensors.map(({ name }) => name).sort()).toEqual(["lm_head.weight", "model.embed_tokens.weight"]);
    expect(values("lm_head.weight")).toEqual([1.5, 3, -1.5]);
    expect(values("model.embed_tokens.weight")).toEqual(values("lm_head.weight"));
  });

  it("empty ones, rank 0, and data that begins at any byte", async () => {
    const member = (a: number) =>
      writeCheckpoint([
        { name: "odd", dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) },
        floats("empty", "F32", [], [0, 7]),
        floats("scale", "F64", [a], []),
        floats("half", "F16", [a, -a]),
        floats("nothing", "F8_E5M2", [], [4, 0]),
        floats("tiny", "F8_E4M3", [a, 2 * a, 0]),
        floats("single", "F32", [a], []),
      ]);
    const { header, values } = await average([member(2), member(4)]);
    expect(Object.fromEntries(header.tensors.map(({ name, dtype, shape }) => [name, [dtype, shape]]))).toEqual({
      odd: ["U8", [3]],
      empty: ["F32", [0, 7]],
      scale: ["F64", []],
      half: ["F16", [2]],
      nothing: ["F8_E5M2", [4, 0]],
      tiny: ["F8_E4M3", [3]],
      single: ["F32", []],
    });
    expect([values("scale"), values("half"), values("tiny"), values("single")]).toEqual([[3], [3, -3], [3, 6, 0], [3]]);
  });

  it("whatever the file holds: as many names as go in come out", async () => {
    const dtype = fc.constantFrom<FloatName>("F8_E4M3", "F8_E5M2", "F16", "BF16", "F32", "F64");
    const shape = fc.array(fc.nat(3), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(fc.string(), dtype, shape), { selector: ([name]) => name, maxLength: 8 }),
        async (specs) => {
          const kept = specs.filter(([name]) => name !== "__metadata__" && name.isWellFormed());
          const file = (value: number) =>
            writeCheckpoint(
              kept.map(([name, format, dimensions]) => {
                const count = dimensions.reduce((product, size) => product * size, 1);
                return floats(
                  name,
                  format,
                  Array.from({ length: count }, () => value),
                  dimensions,
                );
              }),
            );
          const { header, values } = await average([file(1), file(2)]);
          expect(header.tensors.map(({ name }) => name).sort()).toEqual(kept.map(([name]) => name).sort());
          for (const { name } of header.tensors) expect(values(name).every((value) => value === 1.5)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("in float8 where the recipe asks for it, overflow counted and not hidden", async () => {
    const file = writeCheckpoint([floats("w", "F32", [1, 0.07, 448, 464, 500, -500])]);
    const asked = await average([file, file], { dtype: "F8_E4M3" });
    expect(asked.values("w")).toEqual([1, 0.0703125, 448, 448, Number.NaN, Number.NaN]);
    expect((await average([file, file], { dtype: "F8_E5M2" })).values("w")).toEqual([1, 0.0625, 448, 448, 512, -512]);
  });

  it("but not in float formats whose arithmetic is not defined here", async () => {
    for (const dtype of ["F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"]) {
      const file = writeCheckpoint([{ name: "w", dtype, shape: [2], data: Uint8Array.of(1, 2) }]);
      await expect(average([file, file])).rejects.toMatchObject({ code: "unsupported-dtype" });
    }
  });
});
