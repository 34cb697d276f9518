import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { modelIdOf, parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";

const id = (digit: string) => digit.repeat(64);
const recipe = (...inputs: [string, number][]) => ({
  method: "linear",
  inputs: inputs.map(([checkpoint, weight]) => ({ checkpoint, weight })),
});

describe("parseRecipe", () => {
  it("fills in defaults, so that spelling them out changes nothing", () => {
    const short = parseRecipe({ method: "linear", inputs: [{ checkpoint: id("a") }, { checkpoint: id("b") }] });
    const long = parseRecipe({
      ...recipe([id("a"), 1], [id("b"), 1]),
      parameters: { normalize: true },
      dtype: "input",
      nonFloat: "error",
      allowNonFinite: false,
      requireAlignment: false,
    });
    expect(modelIdOf(short)).toBe(modelIdOf(long));
  });

  it("names a model the same in whatever order its inputs are listed", () => {
    const inputs: [string, number][] = [
      [id("c"), 2],
      [id("a"), 1],
      [id("b"), 0.5],
      [id("a"), 3],
    ];
    const expected = modelIdOf(parseRecipe(recipe(...inputs)));
    fc.assert(
      fc.property(fc.shuffledSubarray(inputs, { minLength: 4 }), (shuffled) => {
        expect(modelIdOf(parseRecipe(recipe(...shuffled)))).toBe(expected);
      }),
    );
  });

  it("names different models differently", () => {
    const ids = [
      recipe([id("a"), 1], [id("b"), 1]),
      recipe([id("a"), 1], [id("b"), 2]),
      recipe([id("a"), 1], [id("c"), 1]),
      { ...recipe([id("a"), 1], [id("b"), 1]), dtype: "F16" },
      { ...recipe([id("a"), 1], [id("b"), 1]), parameters: { normalize: false } },
    ].map((value) => modelIdOf(parseRecipe(value)));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("keeps its golden id", () => {
    expect(modelIdOf(parseRecipe(recipe([id("a"), 0.5], [id("b"), 0.5])))).toMatchInlineSnapshot(
      `"367e8e7adf2775d7b0c15d3630159b22bcc3b93e802b0d8c2e7b46abc5ee0176"`,
    );
  });

  it("takes negative weights only without normalising", () => {
    expect(() => parseRecipe(recipe([id("a"), -1], [id("b"), 2]))).toThrow(
      expect.objectContaining({ code: "invalid-recipe" }),
    );
    const raw = { ...recipe([id("a"), -1], [id("b"), 2]), parameters: { normalize: false } };
    expect(parseRecipe(raw).inputs.map(({ weight }) => weight)).toEqual([-1, 2]);
  });

  it.each([
    ["weights that add up to zero", recipe([id("a"), 0], [id("b"), 0])],
    ["weights that add up to infinity", recipe([id("a"), 1.5e308], [id("b"), 1.5e308])],
    ["a weight that is not finite", recipe([id("a"), Infinity])],
    ["a weight that is not a number", recipe([id("a"), Number.NaN])],
    ["no inputs", recipe()],
    ["a short digest", recipe(["abc", 1])],
    ["an upper-case digest", recipe([id("A"), 1])],
    ["an unknown member", { ...recipe([id("a"), 1]), wieghts: [1] }],
    ["an unknown parameter", { ...recipe([id("a"), 1]), parameters: { normalise: true } }],
    ["nothing", null],
  ])("refuses %s", (_, value) => {
    expect(() => parseRecipe(value)).toThrow(expect.objectContaining({ code: "invalid-recipe" }));
  });

  it("says which method is unknown", () => {
    expect(() => parseRecipe({ ...recipe([id("a"), 1]), method: "average" })).toThrow(
      expect.objectContaining({
        code: "unknown-method",
        members: expect.objectContaining({ method: "average", pointer: "/method" }) as unknown,
      }),
    );
  });
});
