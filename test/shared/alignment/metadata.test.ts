import { describe, expect, it } from "vitest";
import { ALIGNMENT_KEY, type Alignment, readAlignment, sameFamily } from "../../../shared/alignment/metadata.ts";

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

  it.each([
    ["not JSON", "{"],
    ["a seed of 65 bits", JSON.stringify({ ...facts, seed: "18446744073709551616" })],
    ["a seed as number", JSON.stringify({ ...facts, seed: 7 })],
    ["a ratio of 1", JSON.stringify({ ...facts, fixedRatio: 1 })],
    ["another scheme", JSON.stringify({ ...facts, scheme: "mt19937" })],
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
    for (const other of [{ seed: "1" }, { fixedRatio: 0.5 }, { init: "b".repeat(64) }]) {
      expect(sameFamily(facts, { ...facts, ...other })).toBe(false);
    }
  });
});
