import { describe, expect, it } from "vitest";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { BAD_RECIPES, ties, two } from "../../support/bad-recipes.ts";

describe("recipes that are refused", () => {
  it.each(BAD_RECIPES)("%s", (_, recipe, pointer) => {
    let problem: unknown;
    try {
      parseRecipe(recipe);
    } catch (error) {
      problem = error;
    }
    expect(problem).toMatchObject({ code: "invalid-recipe", status: 422, members: { pointer } });
  });

  it("says what was probably meant", () => {
    expect(() => parseRecipe(ties({ densty: 0.5 }))).toThrow(/Did you mean "density"/);
    expect(() => parseRecipe({ method: "slrp", inputs: two })).toThrow(/Did you mean "slerp"/);
    expect(() => parseRecipe({ method: "linear", inpts: two })).toThrow(/Did you mean "inputs"/);
  });
});
