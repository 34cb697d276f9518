import { describe, expect, it } from "vitest";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { bytesWithVerdict, withVerdict } from "../../../worker/gating/manifest-verdict.ts";
import { parentsOf } from "../../../worker/gating/question.ts";

const id = (digit: number) => String(digit).repeat(64);
const sharesOf = (recipe: object) => parentsOf(parseRecipe(recipe)).map(({ id: parent, share }) => [parent[0], share]);
const inputs = (...weights: number[]) =>
  weights.map((weight, index) => ({ checkpoint: id(index + 1), ...(weight === 1 ? {} : { weight }) }));

describe("a model's parents", () => {
  it("lie where the weights of an average of two say", () => {
    expect(sharesOf({ method: "linear", inputs: inputs(1, 3) })).toEqual([
      ["1", 0.25],
      ["2", 0.75],
    ]);
  });

  it("count equally of three, of other methods, and where the sum is no average", () => {
    const third = 1 / 3;
    expect(sharesOf({ method: "linear", inputs: inputs(1, 3, 5) })).toEqual([
      ["1", third],
      ["2", third],
      ["3", third],
    ]);
    const halves = [
      ["1", 0.5],
      ["2", 0.5],
    ];
    expect(sharesOf({ method: "slerp", inputs: inputs(1, 1), parameters: { t: 0.25 } })).toEqual(halves);
    expect(sharesOf({ method: "linear", inputs: inputs(2, 3), parameters: { normalize: false } })).toEqual(halves);
  });

  it("are each named once, and a single input has its base beside it", () => {
    const twice = [{ checkpoint: id(1) }, { checkpoint: id(1) }, { checkpoint: id(2), weight: 2 }];
    expect(sharesOf({ method: "linear", inputs: twice })).toEqual([
      ["1", 0.5],
      ["2", 0.5],
    ]);
    expect(sharesOf({ method: "linear", inputs: inputs(1) })).toEqual([["1", 1]]);
    expect(sharesOf({ method: "task-arithmetic", inputs: inputs(1), base: id(9) })).toEqual([
      ["9", 0.5],
      ["1", 0.5],
    ]);
  });
});

describe("a manifest with a verdict", () => {
  it("is the stored one, byte by byte, and one member more", () => {
    const manifest = new TextEncoder().encode('{"version":1,"name":"ä"}');
    const verdict = { text: '{"state":"passed"}' };
    const served = withVerdict(manifest, verdict);
    expect(served.length).toBe(bytesWithVerdict(manifest.length, verdict));
    expect(JSON.parse(new TextDecoder().decode(served))).toEqual({ version: 1, name: "ä", gate: { state: "passed" } });
    expect(served.slice(0, manifest.length - 1)).toEqual(manifest.slice(0, -1));
  });
});
