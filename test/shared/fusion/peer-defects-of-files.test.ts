import { beforeAll, describe, expect, it } from "vitest";
import { type FusionEngine, type FusionInput, planFusion } from "../../../shared/fusion/index.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import { inputOf, type TestTensor, writeCheckpoint } from "../../support/checkpoints.ts";
import { f32, fuseFile, singlesOf, testEngine } from "./fuse-tensors.ts";
import { filesFor, METHOD_CASES, tensorsOf } from "./method-cases.ts";

/** What peers were found to do wrong with dtypes, names and inputs, by the number in the table of defects. */
let engine: FusionEngine;
beforeAll(async () => {
  engine = await testEngine();
});

const problemOf = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe("6: tensors of 16 bits come out as such, or as what is asked for", () => {
  it.each(METHOD_CASES)("$title", async (test) => {
    const { recipe, files } = await filesFor(test);
    const dtypesOf = (file: Uint8Array<ArrayBuffer>) =>
      Object.fromEntries(decodeSafetensors(file).header.tensors.map(({ name, dtype }) => [name, dtype]));
    expect(dtypesOf((await fuseFile(recipe, files, engine)).file)).toMatchObject({
      "layers.1.weight": "BF16",
      "layers.2.conv": "F16",
      double: "F64",
      embedding: "F32",
    });
    const wide = dtypesOf((await fuseFile({ ...recipe, dtype: "F32" }, files, engine)).file);
    expect(wide).toMatchObject({ "layers.1.weight": "F32", "layers.2.conv": "F32", double: "F32", embedding: "F32" });
    expect(wide["steps"]).toBe("I64");
  });
});

describe("9: a tensor that one file lacks is told of before any data is read", () => {
  /** A file of the same tensors but one. */
  const without = (name: string, { header }: FusionInput) =>
    tensorsOf(1).filter((one) => one.name !== name && header.tensors.some((tensor) => tensor.name === one.name));

  it.each(METHOD_CASES)("$title", async (test) => {
    const { recipe, files } = await filesFor(test);
    const reads: [number, number][] = [];
    const models = [...recipe.inputs.map(({ checkpoint }) => checkpoint), recipe["base"]];
    for (const lacking of models) {
      const original = files.find(({ id }) => id === lacking);
      if (original === undefined) continue;
      const short = await inputOf(writeCheckpoint(without("layers.1.weight", original)), reads);
      const others = files.map((file): FusionInput => (file === original ? { ...short, id: file.id } : file));
      reads.length = 0;
      const problem = problemOf(() => planFusion(parseRecipe(recipe), others));
      if (models.length === 1 || models.filter((id) => id !== undefined).length === 1) {
        // Alone, a file has nothing to lack.
        expect(problem).toBeUndefined();
        continue;
      }
      expect(problem).toMatchObject({ code: "incompatible-inputs", status: 422 });
      expect((problem as Error).message).toContain("layers.1.weight");
      expect((problem as { members: { differences: unknown[] } }).members.differences).toContainEqual(
        expect.objectContaining({ tensor: "layers.1.weight" }),
      );
      expect(reads).toEqual([]);
    }
  });

  it("also of statistics, which go with elements", async () => {
    const test = METHOD_CASES.find(({ method }) => method.id === "fisher");
    if (test === undefined) throw new Error("there is a method with statistics");
    const { recipe, files } = await filesFor(test);
    const sidecar = recipe.inputs[0]?.["statistics"];
    const empty = await inputOf(writeCheckpoint([f32("other", [1])]));
    const others = files.map((file): FusionInput => (file.id === sidecar ? { ...empty, id: file.id } : file));
    expect(problemOf(() => planFusion(parseRecipe(recipe), others))).toMatchObject({
      code: "incompatible-inputs",
      members: { tensor: expect.any(String) as string },
    });
  });
});

describe("11: integers and booleans are never averaged", () => {
  const WIDTHS = { I8: 1, U8: 1, I16: 2, U16: 2, I32: 4, U32: 4, I64: 8, U64: 8, BOOL: 1 } as const;
  const buffersOf = (value: number): TestTensor[] => [
    f32("w", [value, 2]),
    ...Object.entries(WIDTHS).map(([dtype, width]) => {
      const data = new Uint8Array(2 * width);
      [0, width].forEach((at) => (data[at] = dtype === "BOOL" ? 1 : value));
      return { name: dtype, dtype, shape: [2], data };
    }),
  ];
  /** Two inputs, and a base that is like the first. */
  const filesOf = (...values: number[]) =>
    Promise.all(values.map((value, index) => inputOf(writeCheckpoint(buffersOf(value), { note: `${index}` }))));

  it.each(["linear", "uniform-soup", "karcher", "multislerp", "task-arithmetic", "ties", "dare-linear", "sce"])(
    "%s copies what is equal, and refuses what differs or takes the first",
    async (method) => {
      const hasBase = ["task-arithmetic", "ties", "dare-linear", "sce"].includes(method);
      const fuse = (files: readonly FusionInput[], rest: object = {}) => {
        const [a, b, base] = files;
        return fuseFile(
          {
            method,
            inputs: [{ checkpoint: a?.id }, { checkpoint: b?.id }],
            ...(hasBase ? { base: base?.id } : {}),
            ...rest,
          },
          files,
          engine,
        );
      };
      const bytesOf = (file: Uint8Array<ArrayBuffer>, name: string) => {
        const { header, bytes } = decodeSafetensors(file);
        const tensor = header.tensors.find((candidate) => candidate.name === name);
        return tensor === undefined ? undefined : [tensor.dtype, ...bytes(tensor)];
      };
      const expected = (value: number) =>
        Object.fromEntries(buffersOf(value).map(({ name, dtype, data }) => [name, [dtype, ...data]]));
      const equal = await fuse(await filesOf(7, 7, 7), { dtype: "F16" });
      const differing = await filesOf(7, 9, 7);
      await expect(fuse(differing)).rejects.toThrow(
        expect.objectContaining({
          code: "non-float-mismatch",
          members: expect.objectContaining({ tensor: expect.any(String) as string }) as object,
        }) as Error,
      );
      const first = await fuse(differing, { nonFloat: "first" });
      const value = first.plan.inputs[0]?.id === differing[0]?.id ? 7 : 9;
      for (const name of Object.keys(WIDTHS)) {
        expect([name, bytesOf(equal.file, name)]).toEqual([name, expected(7)[name]]);
        expect([name, bytesOf(first.file, name)]).toEqual([name, expected(value)[name]]);
      }
    },
  );
});

describe("12: weights of every form go together, also where a checkpoint or a tensor stands twice", () => {
  const names = ["embed.weight", "layers.0.w", "layers.1.w", "head.weight"];
  const fileOf = (value: number) => inputOf(writeCheckpoint(names.map((name) => f32(name, [value]))));

  it("left out, a number, a gradient, a list of patterns", async () => {
    const [a, b, c, d] = await Promise.all([1, 10, 100, 1000].map(fileOf));
    const files = [a, b, c, d].flatMap((file) => (file === undefined ? [] : [file]));
    const weights = [
      {},
      { weight: 2 },
      { weight: [1, 3] },
      {
        weight: [
          { pattern: "layers.*", value: [0, 4] },
          { pattern: "*", value: 5 },
        ],
      },
    ];
    const recipe = {
      method: "linear",
      inputs: files.map(({ id }, index) => ({ checkpoint: id, ...weights[index] })),
      parameters: { normalize: false },
    };
    const { file } = await fuseFile(recipe, files, engine);
    expect(Object.fromEntries(names.map((name) => [name, singlesOf(file, name)[0]]))).toEqual({
      "embed.weight": 1 + 20 + 100 + 5000,
      "layers.0.w": 1 + 20 + 100 + 0,
      "layers.1.w": 1 + 20 + 300 + 4000,
      "head.weight": 1 + 20 + 100 + 5000,
    });
  });

  it("a checkpoint given twice counts twice, whatever forms its weights have", async () => {
    const a = await fileOf(2);
    const b = await fileOf(8);
    const inputs = [
      { checkpoint: a.id },
      { checkpoint: a.id, weight: [1, 3] },
      { checkpoint: b.id, weight: [{ pattern: "*", value: 2 }] },
    ];
    const { file } = await fuseFile({ method: "linear", inputs }, [a, b], engine);
    // (2·1 + 2·1 + 8·2) / 4 and, in the last layer, (2·1 + 2·3 + 8·2) / 6.
    expect(names.map((name) => singlesOf(file, name)[0])).toEqual([5, 5, 4, 5]);
    const again = await fuseFile({ method: "linear", inputs: inputs.toReversed() }, [b, a], engine);
    expect(Buffer.compare(again.file, file)).toBe(0);
  });

  it("tensors that are tied, and so equal, stay equal", async () => {
    const tied = (salt: number) => {
      const values = Array.from({ length: 5000 }, (_, at) => Math.sin(at + salt));
      return inputOf(writeCheckpoint([f32("embed.weight", values), f32("head.weight", values)]));
    };
    const [a, b, z] = await Promise.all([1, 2, 3].map(tied));
    const files = [a, b, z].flatMap((file) => (file === undefined ? [] : [file]));
    const recipe = {
      method: "ties",
      base: z?.id,
      inputs: [{ checkpoint: a?.id }, { checkpoint: b?.id, weight: 0.5, density: 0.7 }],
      parameters: { density: 0.3 },
    };
    const { file } = await fuseFile(recipe, files, engine);
    expect(singlesOf(file, "head.weight")).toEqual(singlesOf(file, "embed.weight"));
  });
});
