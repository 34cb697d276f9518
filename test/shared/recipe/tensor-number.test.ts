import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fitsPattern, resolveTensorNumber, tensorNumber } from "../../../shared/recipe/tensor-number.ts";

const at = (position: number, name = "w") => ({ name, position });

describe("a gradient over the layers", () => {
  const GRADIENT = [0, 0.5, 0.3, 0.7, 1];

  // As mergekit evaluates this list (fusion-methods 2.0).
  it.each([
    [0, 0],
    [0.1, 0.2],
    [0.25, 0.5],
    [0.5, 0.3],
    [0.75, 0.7],
    [0.9, 0.88],
    [1, 1],
  ])("at %d is %d", (position, expected) => {
    expect(resolveTensorNumber(GRADIENT, at(position))).toBeCloseTo(expected, 14);
  });

  it("of one number is that number everywhere", () => {
    for (const position of [0, 0.3, 1]) expect(resolveTensorNumber([0.7], at(position))).toBe(0.7);
  });

  it("has its own numbers exactly where layers fall on them", () => {
    const numbers = [0.1, 0.2, 0.3, 0.7];
    numbers.forEach((number, layer) => expect(resolveTensorNumber(numbers, at(layer / 3))).toBe(number));
  });

  it("never leaves the range of its numbers", () => {
    const numbers = fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(numbers, fc.double({ min: 0, max: 1, noNaN: true }), (given, position) => {
        const found = resolveTensorNumber(given, at(position)) ?? Number.NaN;
        expect(found).toBeGreaterThanOrEqual(Math.min(...given) - 1e-12);
        expect(found).toBeLessThanOrEqual(Math.max(...given) + 1e-12);
      }),
    );
  });
});

describe("patterns", () => {
  it("are tried in order, and the first that fits decides", () => {
    const value = [
      { pattern: "*.bias", value: 0.25 },
      { pattern: "layers.*", value: [0, 1] },
      { pattern: "layers.0.*", value: 7 },
      { pattern: "head", value: 0.5 },
    ];
    expect(resolveTensorNumber(value, at(0.5, "layers.1.bias"))).toBe(0.25);
    expect(resolveTensorNumber(value, at(0.5, "layers.1.weight"))).toBe(0.5);
    // Never reached: an earlier one fits.
    expect(resolveTensorNumber(value, at(0, "layers.0.weight"))).toBe(0);
    expect(resolveTensorNumber(value, at(0, "head"))).toBe(0.5);
    expect(resolveTensorNumber(value, at(0, "embed"))).toBeUndefined();
  });

  it.each<[string, string, boolean]>([
    ["*", "", true],
    ["*", "a.b/c", true],
    ["a.*", "a.b.c", true],
    ["a.*.c", "a.b/b.c", true],
    ["a.*.c", "a.c", false],
    ["*.weight", "layers.0.weight", true],
    ["*.weight", "layers.0.weight_scale", false],
    ["weight", "layers.0.weight", false],
    ["layers.?.w", "layers.3.w", true],
    ["layers.?.w", "layers.10.w", false],
    ["layers.??.w", "layers.10.w", true],
    ["?", "", false],
    ["a**b", "ab", true],
    ["*a*b*", "xxaxxbxx", true],
    ["*ab", "aab", true],
    ["*aab", "aaaab", true],
    ["A", "a", false],
    ["[ab]", "a", false],
    ["a.c", "abc", false],
    ["(a|b)+$", "(a|b)+$", true],
  ])("%j over %j: %s", (pattern, name, expected) => expect(fitsPattern(pattern, name)).toBe(expected));

  it("fit what a regular expression says", () => {
    const text = (letters: string) =>
      fc.array(fc.constantFrom(...letters), { maxLength: 12 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(text("ab.*?"), text("ab.x"), (pattern, name) => {
        const source = pattern.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".");
        expect(fitsPattern(pattern, name)).toBe(new RegExp(`^${source}$`, "s").test(name));
      }),
      { numRuns: 5000 },
    );
  });

  it("come to an end where expressions would not", () => {
    expect(fitsPattern("*a".repeat(40) + "b", "a".repeat(3000))).toBe(false);
  });
});

describe("the schema of a number for each tensor", () => {
  const share = tensorNumber({ least: 0, most: 1 });

  it.each<[string, unknown]>([
    ["a number", 0.5],
    ["the ends of the range", [0, 1]],
    ["one pattern", [{ pattern: "*", value: 1 }]],
    ["a gradient within a pattern", [{ pattern: "a*", value: [0, 0.5] }]],
    ["1024 numbers", Array.from({ length: 1024 }, () => 1)],
    ["256 patterns", Array.from({ length: 256 }, (_, index) => ({ pattern: `${index}`, value: 1 }))],
  ])("takes %s", (_, value) => expect(share.parse(value)).toEqual(value));

  it.each<[string, unknown]>([
    ["a number beyond the range", 1.5],
    ["a gradient with a number beyond the range", [0, -0.1]],
    ["a pattern with a number beyond the range", [{ pattern: "*", value: 2 }]],
    ["an empty gradient", []],
    ["1025 numbers", Array.from({ length: 1025 }, () => 1)],
    ["257 patterns", Array.from({ length: 257 }, () => ({ pattern: "*", value: 1 }))],
    ["numbers and patterns mixed", [0.5, { pattern: "*", value: 1 }]],
    ["a gradient of gradients", [[0, 1]]],
    ["patterns within a pattern", [{ pattern: "*", value: [{ pattern: "*", value: 1 }] }]],
    ["an empty pattern", [{ pattern: "", value: 1 }]],
    ["a pattern without a value", [{ pattern: "*" }]],
    ["mergekit's word for a pattern", [{ filter: "*", value: 1 }]],
    ["a further member", [{ pattern: "*", value: 1, more: 1 }]],
    ["a pattern that is not in a list", { pattern: "*", value: 1 }],
    ["text", "0.5"],
    ["not a number", Number.NaN],
    ["infinity in a gradient", [0, Infinity]],
    ["nothing", null],
  ])("refuses %s", (_, value) => {
    expect(share.safeParse(value).success).toBe(false);
  });

  it("says what it takes", () => {
    expect(share.safeParse("0.5").error?.issues[0]?.message).toBe(
      "a number from 0 to 1, a list of such numbers over the layers, or a list of {pattern, value}",
    );
    expect(tensorNumber().safeParse(null).error?.issues[0]?.message).toBe(
      "a number, a list of such numbers over the layers, or a list of {pattern, value}",
    );
  });
});
