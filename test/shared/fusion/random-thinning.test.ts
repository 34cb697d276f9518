import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { fuseRange, type FusionEngine, type FusionInput, planFusion } from "../../../shared/fusion/index.ts";
import { drawWords } from "../../../shared/fusion/sparsify/draw-words.ts";
import { philox4x32 } from "../../../shared/random/philox.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { inputOf, writeCheckpoint } from "../../support/checkpoints.ts";
import { collect, f32, fuseFile, singlesOf, testEngine } from "./fuse-tensors.ts";

let engine: FusionEngine;
beforeAll(async () => {
  engine = await testEngine();
});

/** Numbers that are all different, none of them 0. */
const valuesOf = (count: number, salt = 0) =>
  Array.from({ length: count }, (_, at) => Math.fround(Math.sin(at * 0.7 + salt) + (at % 2 === 0 ? 1.5 : -1.5)));

interface Case {
  readonly method: "dare-linear" | "dare-ties" | "della" | "della-linear";
  readonly values: readonly number[];
  readonly shape?: readonly number[];
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly note?: string;
  readonly name?: string;
}

/** One input over a base of zeros, so that the result is what is left of the input. */
async function filesOf({ values, shape = [values.length], note = "", name = "w" }: Case) {
  const input = await inputOf(writeCheckpoint([f32(name, values, shape)], { note }));
  const base = await inputOf(
    writeCheckpoint([
      f32(
        name,
        values.map(() => 0),
        shape,
      ),
    ]),
  );
  return { input, base, files: [input, base] };
}

async function thin(test: Case): Promise<{ left: number[]; kept: boolean[]; input: FusionInput }> {
  const { input, base, files } = await filesOf(test);
  const { method, parameters, name = "w" } = test;
  const recipe = { method, base: base.id, inputs: [{ checkpoint: input.id }], parameters };
  const { file } = await fuseFile(recipe, files, engine);
  const left = singlesOf(file, name);
  return { left, kept: left.map((value) => value !== 0), input };
}

const countOf = (kept: readonly boolean[]) => kept.filter(Boolean).length;

/** Six standard deviations of so many draws: a right generator is outside once in 500 million times. */
function expectShare(count: number, draws: number, probability: number): void {
  const bound = 6 * Math.sqrt(draws * probability * (1 - probability));
  expect(Math.abs(count - draws * probability)).toBeLessThanOrEqual(bound);
}

/** The mask by its definition: element e stays where lane e mod 4 of block e / 4 is below ⌊probability·2^32⌋. */
function drawn(probabilities: readonly number[], seed: bigint, name: string, input: FusionInput): boolean[] {
  const { low, high } = drawWords(seed, name, input.id);
  const lanes = new Uint32Array(4);
  const key = [Number(seed & 0xffffffffn), Number(seed >> 32n)] as const;
  return probabilities.map((probability, element) => {
    philox4x32([Math.floor(element / 4), 0, low, high], key, lanes);
    return (lanes[element % 4] ?? 0) < Math.floor(probability * 2 ** 32);
  });
}

const N = 50_000;

describe("the survivors of DARE", () => {
  it.each([0.05, 0.3, 0.5, 0.9])("are a share of %d, no more and no fewer than chance has it", async (density) => {
    const test: Case = {
      method: "dare-linear",
      values: valuesOf(N),
      parameters: { density, rescale: "none", seed: 5 },
    };
    const { left, kept, input } = await thin(test);
    expectShare(countOf(kept), N, density);
    // Each half and each of four lanes, too: a mask that repeats or favours a lane would pass above.
    for (const half of [kept.slice(0, N / 2), kept.slice(N / 2)]) expectShare(countOf(half), N / 2, density);
    for (const lane of [0, 1, 2, 3]) {
      expectShare(countOf(kept.filter((_, at) => at % 4 === lane)), N / 4, density);
    }
    expect(kept).toEqual(
      drawn(
        test.values.map(() => density),
        5n,
        "w",
        input,
      ),
    );
    expect(left).toEqual(test.values.map((value, at) => (kept[at] ? value : 0)));
  });

  it("are the same every time, and others for another seed, tensor or input", async () => {
    const test: Case = { method: "dare-linear", values: valuesOf(4000), parameters: { density: 0.5, seed: 1 } };
    const first = await thin(test);
    expect((await thin(test)).left).toEqual(first.left);
    const others = await Promise.all([
      thin({ ...test, parameters: { density: 0.5, seed: 2 } }),
      thin({ ...test, parameters: { density: 0.5, seed: 2 ** 40 + 1 } }),
      thin({ ...test, name: "v" }),
      thin({ ...test, note: "another file of the same numbers" }),
    ]);
    for (const { kept } of others) {
      // Independent masks agree in half of the places.
      expectShare(countOf(kept.map((one, at) => one === first.kept[at])), 4000, 0.5);
    }
  });

  it("of a smaller density are among those of a larger one", async () => {
    const at = async (density: number) =>
      (await thin({ method: "dare-ties", values: valuesOf(5000), parameters: { density } })).kept;
    const masks = await Promise.all([0.1, 0.4, 0.8, 1].map(at));
    masks
      .slice(1)
      .forEach((larger, index) =>
        masks[index]?.forEach((kept, element) => expect(!kept || larger[element]).toBe(true)),
      );
    expect(countOf(masks[3] ?? [])).toBe(5000);
  });

  it.each([0.125, 0.3, 0.7])("grow by 1 / density as in the paper (density %d)", async (density) => {
    const test: Case = { method: "dare-linear", values: valuesOf(3000), parameters: { density, rescale: "density" } };
    const { left, kept } = await thin(test);
    expect(left).toEqual(test.values.map((value, at) => (kept[at] ? Math.fround((1 / density) * value) : 0)));
  });

  it.each(["dare-linear", "dare-ties"] as const)(
    "grow by the ratio of L1 norms as in mergekit (%s)",
    async (method) => {
      const test: Case = { method, values: valuesOf(3000), parameters: { density: 0.3 } };
      const { left, kept } = await thin(test);
      const norm = (values: readonly number[]) => values.reduce((sum, value) => sum + Math.abs(value), 0);
      const factor = norm(test.values) / norm(test.values.filter((_, at) => kept[at]));
      expect(factor).toBeGreaterThan(2.5);
      for (const [at, value] of left.entries()) {
        const expected = kept[at] ? (test.values[at] ?? 0) * factor : 0;
        expect(Math.abs(value - expected)).toBeLessThanOrEqual(2 ** -23 * Math.abs(expected));
      }
      expect(Math.abs(norm(left) / norm(test.values) - 1)).toBeLessThan(1e-6);
    },
  );
});

describe.each(["dare-linear", "dare-ties", "della", "della-linear"] as const)("%s", (method) => {
  const specs = [
    { name: "a", shape: [9001] },
    { name: "b", shape: [37, 41] },
    { name: "c", shape: [3, 5, 7] },
  ] as const;
  const fileOf = (salt: number) =>
    inputOf(
      writeCheckpoint(
        specs.map(({ name, shape }) =>
          f32(
            name,
            valuesOf(
              shape.reduce((product, size) => product * size, 1),
              salt,
            ),
            shape,
          ),
        ),
      ),
    );

  it("draws the same mask whatever the chunks, the order of the parts and the order of the inputs", async () => {
    const [one, two, base] = await Promise.all([fileOf(1), fileOf(2), fileOf(3)]);
    const files = [one, two, base];
    const inputs = [
      { checkpoint: one.id, weight: 0.75 },
      { checkpoint: two.id, density: 0.5 },
    ];
    const recipe = { method, base: base.id, inputs, parameters: { density: 0.4, seed: 99 } };
    const { file, plan } = await fuseFile(recipe, files, engine);
    const again = await fuseFile({ ...recipe, inputs: inputs.toReversed() }, files.toReversed(), engine);
    expect(Buffer.compare(again.file, file)).toBe(0);
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 1, max: file.length - 1 }), { minLength: 3, maxLength: 6 }),
        fc.infiniteStream(fc.integer({ min: 500, max: 50_000 })),
        fc.infiniteStream(fc.nat()),
        async (cuts, chunkBytes, order) => {
          const edges = [0, ...cuts.toSorted((a, b) => a - b), file.length];
          const parts = edges
            .slice(1)
            .map((end, index) => ({ begin: edges[index] ?? 0, end, rank: order.next().value as number }))
            .toSorted((a, b) => a.rank - b.rank);
          const assembled = new Uint8Array(file.length);
          for (const { begin, end } of parts) {
            // A plan and an engine of its own, as in another isolate.
            const own = planFusion(parseRecipe(recipe), files);
            const options = { begin, end, chunkBytes: chunkBytes.next().value as number };
            assembled.set(await collect(fuseRange(own, await testEngine(), options)), begin);
          }
          expect(Buffer.compare(assembled, file)).toBe(0);
        },
      ),
      { numRuns: 6, endOnFailure: true },
    );
    expect(plan.layout.fileLength).toBe(file.length);
  });
});

/** Rank of each magnitude among its row, from 0; rows run along axis 1. */
function ranksOf(values: readonly number[], shape: readonly number[]): { ranks: number[]; length: number } {
  const length = shape.length < 2 ? values.length : (shape[1] ?? 1);
  const stride = shape.slice(2).reduce((product, size) => product * size, 1);
  const rowOf = (at: number) => Math.floor(at / (length * stride)) * stride + (at % stride);
  const ranks = values.map((value, at) => {
    const row = rowOf(at);
    return values.filter((other, place) => rowOf(place) === row && Math.abs(other) < Math.abs(value)).length;
  });
  return { ranks, length };
}

describe("DELLA keeps what is larger more often", () => {
  it.each([
    [0.5, 0.3],
    [0.7, 0.25],
    [0.2, 0.15],
    [0.6, 0],
  ])("from density - epsilon to density + epsilon by rank (%d ± %d)", async (density, epsilon) => {
    const rows = 8000;
    const columns = 5;
    // The same ranks in every row, in an order of their own, with signs of their own.
    const values = Array.from({ length: rows * columns }, (_, at) => {
      const magnitude = 1 + (((at % columns) * 3 + Math.floor(at / columns)) % columns);
      return (at * 7) % 3 === 0 ? -magnitude : magnitude;
    });
    const parameters = { density, epsilon, rescale: "none", seed: 3 };
    const test: Case = { method: "della-linear", values, shape: [rows, columns], parameters };
    const { kept } = await thin(test);
    for (let rank = 0; rank < columns; rank++) {
      const own = kept.filter((_, at) => Math.abs(values[at] ?? 0) === rank + 1);
      expect(own).toHaveLength(rows);
      expectShare(countOf(own), rows, density - epsilon + (2 * epsilon * rank) / (columns - 1));
    }
    expectShare(countOf(kept), rows * columns, density);
  });

  it.each<[string, readonly number[]]>([
    ["a vector is one row", [301]],
    ["a matrix has rows along its second axis", [13, 29]],
    ["of a kernel the second axis is ranked, too", [4, 9, 3, 2]],
    ["rows of one element have one probability", [64, 1]],
    ["an axis of one before others", [5, 1, 11]],
  ])("to the very mask: %s", async (_, shape) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const values = valuesOf(count, 11);
    const [density, epsilon] = [0.55, 0.35];
    const parameters = { density, epsilon, rescale: "none", seed: 2 ** 33 + 7 };
    const { left, kept, input } = await thin({ method: "della", values, shape, parameters });
    const { ranks, length } = ranksOf(values, shape);
    const probabilities = ranks.map((rank) => density + (length > 1 ? epsilon * ((2 * rank) / (length - 1) - 1) : 0));
    expect(kept).toEqual(drawn(probabilities, 2n ** 33n + 7n, "w", input));
    expect(left).toEqual(values.map((value, at) => (kept[at] ? value : 0)));
  });

  it("takes an epsilon of each input's own", async () => {
    const values = valuesOf(501);
    const { input, base, files } = await filesOf({ method: "della-linear", values, parameters: {} });
    const recipe = (inputs: object, parameters: object) => ({
      method: "della-linear",
      base: base.id,
      inputs: [{ checkpoint: input.id, ...inputs }],
      parameters: { density: 0.5, ...parameters },
    });
    const own = await fuseFile(recipe({ epsilon: 0.4, density: 0.45 }, { epsilon: 0.1 }), files, engine);
    const shared = await fuseFile(recipe({}, { epsilon: 0.4, density: 0.45 }), files, engine);
    expect(singlesOf(own.file, "w")).toEqual(singlesOf(shared.file, "w"));
  });

  it("grows the survivors by the ratio of L1 norms of the whole tensor", async () => {
    const values = valuesOf(40 * 25, 4);
    const { left, kept } = await thin({
      method: "della-linear",
      values,
      shape: [40, 25],
      parameters: { density: 0.4, epsilon: 0.3 },
    });
    const norm = (numbers: readonly number[]) => numbers.reduce((sum, value) => sum + Math.abs(value), 0);
    const factor = norm(values) / norm(values.filter((_, at) => kept[at]));
    left.forEach((value, at) => {
      const expected = kept[at] ? (values[at] ?? 0) * factor : 0;
      expect(Math.abs(value - expected)).toBeLessThanOrEqual(2 ** -23 * Math.abs(expected));
    });
  });

  it("is the input at density 1, and the base at density 0", async () => {
    const values = valuesOf(300);
    for (const [density, expected] of [
      [1, values],
      [0, values.map(() => 0)],
    ] as const) {
      const { left } = await thin({ method: "della-linear", values, shape: [10, 30], parameters: { density } });
      expect(left).toEqual(expected);
    }
  });
});
