import { describe, expect, it } from "vitest";
import { matchesEtag, parseRange } from "../../../worker/objects/range.ts";

describe("Range", () => {
  it.each([
    ["bytes=0-0", { begin: 0, end: 1 }],
    ["bytes=2-", { begin: 2, end: 10 }],
    ["bytes=-3", { begin: 7, end: 10 }],
    ["bytes=-99", { begin: 0, end: 10 }],
    ["bytes=5-99", { begin: 5, end: 10 }],
    ["BYTES=9-9", { begin: 9, end: 10 }],
    ["bytes=10-", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=5-4", undefined],
    ["bytes=-", undefined],
    ["bytes=0-1,3-4", undefined],
    ["items=0-1", undefined],
    ["bytes=0x1-2", undefined],
    [undefined, undefined],
  ])("%s of 10 bytes", (header, expected) => {
    expect(parseRange(header, 10)).toEqual(expected);
  });

  it("of nothing cannot be satisfied", () => {
    expect(parseRange("bytes=0-", 0)).toBe("unsatisfiable");
    expect(parseRange("bytes=-1", 0)).toBe("unsatisfiable");
  });
});

describe("If-None-Match", () => {
  it.each([
    ['"a"', true],
    ['W/"a"', true],
    ['"b", "a"', true],
    ["*", true],
    ['"b"', false],
    ["a", false],
    [undefined, false],
  ])('%s against "a"', (header, expected) => {
    expect(matchesEtag(header, '"a"')).toBe(expected);
  });
});

describe("If-Match", () => {
  it.each([
    ['"a"', true],
    ['"b", "a"', true],
    ["*", true],
    ['W/"a"', false],
    ['"b"', false],
    [undefined, false],
  ])('%s against "a"', (header, expected) => {
    expect(matchesEtag(header, '"a"', "strong")).toBe(expected);
  });
});
