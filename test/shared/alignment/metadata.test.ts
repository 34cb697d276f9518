import { describe, expect, it } from "vitest";
import {
  ALIGNMENT_KEY,
  type Alignment,
  alignmentOf,
  alignmentSchema,
  readAlignment,
  sameFamily,
} from "../../../shared/alignment/metadata.ts";

const facts: Alignment = {
  scheme: "philox4x32-10",
  seed: "18446744073709551615",
  fixedRatio: 0.4,
  scope: "all",
  init: "a".repeat(64),
};

describe("readAlignment", () => {
  it("reads what a trainer declares, and nothing where nothing is declared", () => {
    expect(readAlignment({ [ALIGNMENT_KEY]: JSON.stringify(facts) })).toEqual(facts);
    expect(readAlignment({})).toBeUndefined();
  });

  it("reads a scope of patterns and a frozen value of zero", () => {
    const pruned = { ...facts, scope: { tensors: ["output/*"] }, frozen: "zero" };
    expect(readAlignment({ [ALIGNMENT_KEY]: JSON.stringify(pruned) })).toEqual(pruned);
  });

  it("reads what the first version wrote, to the letter", () => {
    const text = `{"scheme":"philox4x32-10","seed":"7","fixedRatio":0.4,"scope":"all","init":"${"c".repeat(64)}"}`;
    const read = readAlignment({ [ALIGNMENT_KEY]: text });
    expect(JSON.stringify(read)).toBe(text);
    const plan = { seed: 7n, fixedRatio: 0.4, scope: "all", frozenValue: "initial" } as const;
    expect(JSON.stringify(alignmentOf(plan, "c".repeat(64)))).toBe(text);
  });

  it.each([
    ["not JSON", "{"],
    ["a seed of 65 bits", JSON.stringify({ ...facts, seed: "18446744073709551616" })],
    ["a seed as number", JSON.stringify({ ...facts, seed: 7 })],
    ["a ratio of 1", JSON.stringify({ ...facts, fixedRatio: 1 })],
    ["another scheme", JSON.stringify({ ...facts, scheme: "mt19937" })],
    ["a scope by position", JSON.stringify({ ...facts, scope: "first" })],
    ["a scope of no pattern", JSON.stringify({ ...facts, scope: { tensors: [] } })],
    ["another frozen value", JSON.stringify({ ...facts, frozen: "initial" })],
    ["an unknown member", JSON.stringify({ ...facts, extra: 1 })],
  ])("refuses %s", (_, text) => {
    expect(() => readAlignment({ [ALIGNMENT_KEY]: text })).toThrow(
      expect.objectContaining({ code: "invalid-metadata" }),
    );
  });
});

describe("sameFamily", () => {
  it("needs the same start and the same mask", () => {
    expect(sameFamily(facts, { ...facts })).toBe(true);
    const others = [
      { seed: "1" },
      { fixedRatio: 0.5 },
      { init: "b".repeat(64) },
      { scope: { tensors: ["output/*"] } },
      { frozen: "zero" as const },
    ];
    for (const other of others) {
      expect(sameFamily(facts, { ...facts, ...other })).toBe(false);
    }
  });

  it("does not mind the order of a scope's patterns", () => {
    const scoped = (...tensors: string[]): Alignment => ({ ...facts, scope: { tensors } });
    expect(sameFamily(scoped("a", "b"), scoped("b", "a"))).toBe(true);
    expect(sameFamily(scoped("a"), scoped("b"))).toBe(false);
  });
});

describe("alignmentOf", () => {
  it("declares a plan so that it is read as the same, patterns in order", () => {
    const plan = {
      seed: 2n ** 64n - 1n,
      fixedRatio: 0.7,
      scope: { tensors: ["b", "a"] },
      frozenValue: "zero",
    } as const;
    const declared = alignmentOf(plan, "d".repeat(64));
    expect(alignmentSchema.parse(declared)).toEqual({
      scheme: "philox4x32-10",
      seed: "18446744073709551615",
      fixedRatio: 0.7,
      scope: { tensors: ["a", "b"] },
      frozen: "zero",
      init: "d".repeat(64),
    });
  });
});
