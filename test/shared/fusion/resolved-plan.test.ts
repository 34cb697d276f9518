import { beforeAll, describe, expect, it } from "vitest";
import {
  type FusionEngine,
  type FusionInput,
  gatherStatistics,
  planFusion,
  resolvePlan,
} from "../../../shared/fusion/index.ts";
import type { ResolvedTensor } from "../../../shared/fusion/resolved-plan.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { inputOf, writeCheckpoint } from "../../support/checkpoints.ts";
import { f32, fuseFile, singlesOf, testEngine } from "./fuse-tensors.ts";
import { a, b, base, NAMES, planOf, slerpOf } from "./layered-models.ts";

let engine: FusionEngine;
beforeAll(async () => {
  engine = await testEngine();
});

const tensorsOf = (recipe: unknown) =>
  Object.fromEntries(resolvePlan(planOf(recipe)).tensors.map((tensor) => [tensor.name, tensor]));
const eachTensor = <Value>(tensors: Record<string, ResolvedTensor>, value: (tensor: ResolvedTensor) => Value) =>
  Object.fromEntries(NAMES.map((name) => [name, value(tensors[name] as ResolvedTensor)]));
/** What a weight is for an input, whatever place it was sorted to. */
const weightOf = (recipe: { inputs: readonly { checkpoint: string }[] }, input: FusionInput) => {
  const plan = planOf(recipe);
  const index = plan.inputs.findIndex(({ id }) => id === input.id);
  return eachTensor(
    Object.fromEntries(resolvePlan(plan).tensors.map((tensor) => [tensor.name, tensor])),
    (tensor) => tensor.inputs?.[index]?.["weight"],
  );
};
describe("numbers for each tensor", () => {
  it("follow a gradient over the layers, and its first number outside of them", () => {
    // s = 2·position: 0, 2/3, 4/3, 2 between 0, 0.6 and 0.9.
    const t = eachTensor(tensorsOf(slerpOf([0, 0.6, 0.9])), ({ parameters }) => parameters?.["t"]);
    const expected = {
      embed: 0,
      "layers.0.w": 0,
      "layers.0.b": 0,
      "layers.1.w": 0.4,
      "layers.2.w": 0.7,
      "layers.3.w": 0.9,
      "layers.3.b": 0.9,
      head: 0,
    };
    for (const [name, value] of Object.entries(expected)) expect(t[name], name).toBeCloseTo(value, 14);
    expect([t["layers.0.w"], t["layers.3.w"]]).toEqual([0, 0.9]);
  });

  it("follow patterns, in order, with gradients in them", () => {
    const t = [
      { pattern: "*.b", value: 0.25 },
      { pattern: "layers.*", value: [1, 0] },
      { pattern: "h?ad", value: 0.125 },
      { pattern: "*", value: 0.5 },
    ];
    const found = eachTensor(tensorsOf(slerpOf(t)), ({ parameters }) => parameters?.["t"]);
    expect(found).toEqual({
      embed: 0.5,
      "layers.0.w": 1,
      "layers.0.b": 0.25,
      "layers.1.w": expect.closeTo(2 / 3, 14) as number,
      "layers.2.w": expect.closeTo(1 / 3, 14) as number,
      "layers.3.w": 0,
      "layers.3.b": 0.25,
      head: 0.125,
    });
  });

  it("hold for each input on its own: weights", () => {
    const recipe = {
      method: "linear",
      inputs: [
        { checkpoint: a.id, weight: [1, 4] },
        {
          checkpoint: b.id,
          weight: [
            { pattern: "embed", value: 3 },
            { pattern: "*", value: 2 },
          ],
        },
      ],
    };
    expect(weightOf(recipe, a)).toEqual({
      embed: 1,
      "layers.0.w": 1,
      "layers.0.b": 1,
      "layers.1.w": 2,
      "layers.2.w": 3,
      "layers.3.w": 4,
      "layers.3.b": 4,
      head: 1,
    });
    expect(weightOf(recipe, b)).toEqual({ ...Object.fromEntries(NAMES.map((name) => [name, 2])), embed: 3 });
  });

  it("hold for each input on its own: parameters that an input overrides", () => {
    const recipe = {
      method: "breadcrumbs",
      base: base.id,
      inputs: [
        { checkpoint: a.id, density: [0.5, 1] },
        { checkpoint: b.id, gamma: 0.25 },
      ],
      parameters: { density: [{ pattern: "*", value: 0.75 }], gamma: [0, 0.5] },
    };
    const plan = planOf(recipe);
    const [first, second] = [a, b].map((input) => plan.inputs.findIndex(({ id }) => id === input.id));
    const numbers = eachTensor(tensorsOf(recipe), ({ inputs }) => [inputs?.[first ?? 0], inputs?.[second ?? 0]]);
    expect(numbers["embed"]).toEqual([
      { weight: 1, density: 0.5, gamma: 0 },
      { weight: 1, density: 0.75, gamma: 0.25 },
    ]);
    expect(numbers["layers.3.b"]).toEqual([
      { weight: 1, density: 1, gamma: 0.5 },
      { weight: 1, density: 0.75, gamma: 0.25 },
    ]);
  });

  it("are the numbers that the bytes are computed with", async () => {
    const recipe = {
      method: "linear",
      inputs: [
        { checkpoint: a.id, weight: [1, 0.25] },
        { checkpoint: b.id, weight: [0, 0.75] },
      ],
    };
    const { file } = await fuseFile(recipe, [a, b], engine);
    // 8·(1 - p) + 16·p of what is 0, 1/4, 1/2 and 3/4 of b.
    expect(NAMES.map((name) => singlesOf(file, name)[0])).toEqual([8, 8, 8, 10, 12, 14, 14, 8]);
  });

  it("name the same recipe in whatever order the inputs are listed", () => {
    const inputs = [
      { checkpoint: a.id, weight: [1, 2] },
      { checkpoint: a.id, weight: [1, 3] },
      { checkpoint: b.id, weight: [{ pattern: "*", value: 1 }] },
    ];
    const parsed = parseRecipe({ method: "linear", inputs });
    expect(parseRecipe({ method: "linear", inputs: inputs.toReversed() })).toEqual(parsed);
  });
});

describe("coefficients of a plan", () => {
  it("are what each input is multiplied by, normalised or raw", () => {
    const inputs = [
      { checkpoint: a.id, weight: 1 },
      { checkpoint: b.id, weight: [3, 0] },
    ];
    for (const normalize of [true, false]) {
      const recipe = { method: "linear", inputs, parameters: { normalize } };
      const plan = planOf(recipe);
      const order = [a, b].map((input) => plan.inputs.findIndex(({ id }) => id === input.id));
      const found = eachTensor(tensorsOf(recipe), ({ coefficients }) => order.map((index) => coefficients?.[index]));
      const divisor = normalize ? [4, 3, 2, 1] : [1, 1, 1, 1];
      [0, 1, 2, 3].forEach((layer) =>
        expect(found[`layers.${layer}.w`]).toEqual([1 / (divisor[layer] ?? 1), (3 - layer) / (divisor[layer] ?? 1)]),
      );
      expect(found["embed"]).toEqual(normalize ? [0.25, 0.75] : [1, 3]);
    }
  });

  it("include the base's, last, where there is one", () => {
    const recipe = {
      method: "task-arithmetic",
      base: base.id,
      inputs: [{ checkpoint: a.id, weight: 0.5 }],
      parameters: { lambda: [0.5, 2] },
    };
    const { inputs, tensors } = resolvePlan(planOf(recipe));
    expect(inputs).toEqual([
      { id: a.id, role: "input" },
      { id: base.id, role: "base" },
    ]);
    const found = Object.fromEntries(tensors.map(({ name, coefficients }) => [name, coefficients]));
    // λ is 1/2, 1, 3/2 and 2.
    expect(found).toMatchObject({
      "layers.0.w": [0.25, 0.75],
      "layers.1.w": [0.5, 0.5],
      "layers.2.w": [0.75, 0.25],
      "layers.3.w": [1, 0],
      head: [0.25, 0.75],
    });
  });

  it("are given without reading data where parameters say it all, else with statistics alone", async () => {
    // A right angle between [1, 0] and [0, 1].
    const [x, y] = await Promise.all(
      [
        [1, 0],
        [0, 1],
      ].map((values) => inputOf(writeCheckpoint([f32("w", values)]))),
    );
    if (x === undefined || y === undefined) throw new Error("two inputs were made");
    const recipe = (t: number) =>
      parseRecipe({ method: "slerp", inputs: [{ checkpoint: x.id }, { checkpoint: y.id }], parameters: { t } });
    expect(resolvePlan(planFusion(recipe(1), [x, y])).tensors[0]?.coefficients).toEqual([0, 1]);
    const plan = planFusion(recipe(1 / 3), [x, y]);
    expect(resolvePlan(plan).tensors[0]).not.toHaveProperty("coefficients");
    const { coefficients } = resolvePlan(plan, await gatherStatistics(plan, engine)).tensors[0] ?? {};
    expect(coefficients).toEqual([
      expect.closeTo(Math.cos(Math.PI / 6), 14) as number,
      expect.closeTo(0.5, 14) as number,
    ]);
    // Almost parallel: the straight line.
    const parallel = planOf(slerpOf(0.25));
    const { tensors } = resolvePlan(parallel, await gatherStatistics(parallel, engine));
    expect(tensors.find(({ name }) => name === "embed")?.coefficients).toEqual([0.75, 0.25]);
  });

  it("are left out of methods that have none, and of tensors that are copied", () => {
    const recipe = { method: "ties", base: base.id, inputs: [{ checkpoint: a.id }, { checkpoint: b.id }] };
    const tensors = tensorsOf(recipe);
    expect(tensors["embed"]).toEqual({
      name: "embed",
      shape: [2],
      dtype: "F32",
      treatment: "computed",
      parameters: expect.objectContaining({ density: 1, lambda: 1, normalize: true, semantics: "mergekit" }) as object,
      inputs: [
        { weight: 1, density: 1 },
        { weight: 1, density: 1 },
      ],
    });
    expect(tensors["steps"]).toEqual({ name: "steps", shape: [1], dtype: "I64", treatment: "copied" });
  });

  it("say the dtype of the output", () => {
    const recipe = { ...slerpOf(0), dtype: "BF16" };
    const { tensors, bytes } = resolvePlan(planOf(recipe));
    expect(Object.fromEntries(tensors.map(({ name, dtype }) => [name, dtype]))).toEqual({
      ...Object.fromEntries(NAMES.map((name) => [name, "BF16"])),
      steps: "I64",
    });
    expect(bytes).toBe(planOf(recipe).layout.fileLength);
  });
});
