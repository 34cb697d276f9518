import { describe, expect, it } from "vitest";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { a, b, base, planOf, slerpOf } from "./layered-models.ts";

const refusal = (recipe: unknown) => {
  try {
    planOf(recipe);
  } catch (error) {
    return error;
  }
  return undefined;
};

describe("parameters that do not fit the tensors are refused", () => {
  const pattern = (text: string, value: unknown = 0.5) => ({ pattern: text, value });

  it.each<[string, unknown, string, RegExp]>([
    [
      "tensors that no pattern fits",
      [pattern("layers.*"), pattern("steps")],
      "/parameters/t",
      /fits tensor "embed".*"\*"/,
    ],
    [
      "a pattern that fits no tensor",
      [pattern("layer.*"), pattern("*")],
      "/parameters/t/0/pattern",
      /"layer\.\*".* 9 /,
    ],
    ["a pattern in other letters", [pattern("Embed"), pattern("*")], "/parameters/t/0/pattern", /"Embed"/],
  ])("%s", (_, t, pointer, message) => {
    const problem = refusal(slerpOf(t));
    expect(problem).toMatchObject({ code: "invalid-recipe", status: 422, members: { pointer } });
    expect((problem as Error).message).toMatch(message);
  });

  it("a pattern of an input's own numbers, with the input's place", () => {
    const recipe = (own: object) => ({
      method: "ties",
      base: base.id,
      inputs: [{ checkpoint: a.id, ...own }],
    });
    expect(refusal(recipe({ weight: [pattern("w")] }))).toMatchObject({
      members: { pointer: "/inputs/0/weight/0/pattern" },
    });
    expect(refusal(recipe({ density: [pattern("*.q"), pattern("*")] }))).toMatchObject({
      members: { pointer: "/inputs/0/density/0/pattern" },
    });
    expect(refusal(recipe({ density: [pattern("layers.*"), pattern("steps")] }))).toMatchObject({
      members: { pointer: "/inputs/0/density", tensor: "embed" },
    });
  });

  it("weights that add up to nothing in one layer, with the layer's name", () => {
    const recipe = {
      method: "linear",
      inputs: [
        { checkpoint: a.id, weight: [1, 0] },
        { checkpoint: b.id, weight: [1, 0] },
      ],
    };
    expect(refusal(recipe)).toMatchObject({ code: "invalid-recipe", members: { tensor: "layers.3.b" } });
    // Raw sums may vanish.
    expect(refusal({ ...recipe, parameters: { normalize: false } })).toBeUndefined();
  });

  it("a weight that turns negative on the way", () => {
    const inputs = [{ checkpoint: a.id, weight: [2, -1] }, { checkpoint: b.id }];
    expect(refusal({ method: "linear", inputs })).toMatchObject({
      code: "invalid-recipe",
      message: expect.stringMatching(/"layers\.3\..": a weight is negative \(-1\)/) as string,
    });
  });

  it("probabilities that leave [0, 1] in one layer", () => {
    const recipe = (density: unknown, epsilon: unknown) => ({
      method: "della",
      base: base.id,
      inputs: [{ checkpoint: a.id }],
      parameters: { density, epsilon },
    });
    expect(refusal(recipe([0.5, 0.9], 0.2))).toMatchObject({
      code: "invalid-recipe",
      members: { tensor: expect.stringMatching(/^layers\.[23]/) as string },
      message: expect.stringContaining("has to lie between 0 and 1") as string,
    });
    expect(refusal(recipe([0.5, 0.7], 0.2))).toBeUndefined();
  });

  it.each<[string, object, string]>([
    ["a switch", { method: "linear", parameters: { normalize: [true, false] } }, "/parameters/normalize"],
    ["a seed", { method: "dare-linear", base: "0".repeat(64), parameters: { seed: [1, 2] } }, "/parameters/seed"],
    ["a count", { method: "karcher", parameters: { maxIterations: [1, 2] } }, "/parameters/maxIterations"],
    ["a word", { method: "ties", base: "0".repeat(64), parameters: { rescale: ["none"] } }, "/parameters/rescale"],
    ["a weight of a soup", { method: "uniform-soup", inputs: [{ weight: [1, 1] }] }, "/inputs/0/weight"],
    [
      "a density for the whole model",
      { method: "ties", base: "0".repeat(64), parameters: { semantics: "original", density: [0.2, 0.4] } },
      "/parameters/density",
    ],
  ])("a gradient where there can be none: %s", (_, { inputs = [{}], ...rest }: { inputs?: object[] }, pointer) => {
    const own = { ...rest, inputs: [...inputs, {}].map((input) => ({ checkpoint: a.id, ...input })) };
    let found: unknown;
    try {
      parseRecipe(own);
    } catch (error) {
      found = error;
    }
    expect(found).toMatchObject({ code: "invalid-recipe", members: { pointer } });
  });
});
