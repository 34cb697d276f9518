import { describe, expect, it } from "vitest";
import { defineCommand } from "../../../trainer/command-line/command.ts";
import {
  choice,
  flag,
  layerWidths,
  optional,
  realNumber,
  repeated,
  seed,
  several,
  text,
  wholeNumber,
} from "../../../trainer/command-line/options.ts";
import { parseLine } from "../../../trainer/command-line/parse.ts";
import { nearestWord } from "../../../shared/recipe/nearest-word.ts";

const command = defineCommand({
  name: "demo",
  summary: "",
  description: "",
  options: {
    kind: choice(["one", "two"], { help: "", fallback: "one" }),
    ratio: realNumber("a share in [0, 1)", (share) => share >= 0 && share < 1, { help: "", fallback: "0.5" }),
    epochs: wholeNumber(1, 100, { help: "", fallback: "3" }),
    seed: optional(seed({ help: "" })),
    hidden: layerWidths({ help: "", fallback: "8x2" }),
    out: text({ help: "", short: "o", placeholder: "DIR" }),
    quick: flag("", "q"),
    each: repeated(wholeNumber(1, 9, { help: "" })),
  },
  examples: [],
  run: () => Promise.resolve(),
});

const parse = (line: string) => parseLine(command, line.split(" ")).values;

describe("parseLine", () => {
  it("parses every value and fills in the defaults", () => {
    expect(parse("--out x")).toEqual({
      kind: "one",
      ratio: 0.5,
      epochs: 3,
      seed: undefined,
      hidden: [8, 8],
      out: "x",
      quick: false,
      each: [],
    });
    expect(parse("-o x -q --kind two --ratio=.25 --epochs 100 --seed 18446744073709551615 --hidden 4,3x2")).toEqual({
      kind: "two",
      ratio: 0.25,
      epochs: 100,
      seed: 2n ** 64n - 1n,
      hidden: [4, 3, 3],
      out: "x",
      quick: true,
      each: [],
    });
    expect(parse("-o x --each 3 --each=1")["each"]).toEqual([3, 1]);
    expect(parse("--out x --hidden=")["hidden"]).toEqual([]);
  });

  it.each([
    ["--out x --epohcs 3", /^Unknown option --epohcs\. Did you mean --epochs\? See edgefuse demo --help\.$/],
    ["--out x --zzzzzz", /^Unknown option --zzzzzz\. See/],
    ["--out x --__proto__ y", /^Unknown option --__proto__\./],
    ["--out x -z", /^Unknown option -z\./],
    ["--out x --out y", /^--out is given twice/],
    ["--out", /^--out needs a value \(DIR\)/],
    ["--out --quick", /--out needs a value; write --out=--quick/],
    ["--out x --quick=yes", /--quick takes no value/],
    ["--out x y", /^Unexpected "y": this command takes options only/],
    ["--quick", /^--out DIR is needed/],
    ["--out x --kind three", /--kind "three" is not valid: it takes one of one, two\./],
    ["--out x --each 3 --each 10", /--each "10" is not valid: it takes a whole number from 1 to 9/],
    ["--out x --ratio 1", /a share in \[0, 1\)/],
    ["--out x --ratio=-0.1", /a share in \[0, 1\)/],
    ["--out x --ratio nan", /a share in \[0, 1\)/],
    ["--out x --ratio 0x1", /a share in \[0, 1\)/],
    ["--out x --epochs 1.5", /a whole number from 1 to 100/],
    ["--out x --epochs 101", /a whole number from 1 to 100/],
    ["--out x --seed 18446744073709551616", /0 to 2\^64 - 1/],
    ["--out x --hidden 8x", /widths such as/],
    ["--out x --hidden 8x300", /at most 256 layers/],
    ["--out x --hidden 0", /widths such as/],
  ])("refuses %s", (line, message) => {
    expect(() => parse(line)).toThrow(
      expect.objectContaining({ kind: "usage", message: expect.stringMatching(message) }),
    );
  });

  it("gives an option that takes several all words that follow it", () => {
    const shards = defineCommand({
      name: "demo",
      summary: "",
      description: "",
      operands: { placeholder: "MODEL...", help: "", least: 0 },
      options: { shards: several(text({ help: "", placeholder: "FILE" })), quick: flag("") },
      examples: [],
      run: () => Promise.resolve(),
    });
    const read = (line: string) => {
      const { values, operands } = parseLine(shards, line.split(" "));
      return [values["shards"], operands];
    };
    expect(read("a b --shards x y z")).toEqual([
      ["x", "y", "z"],
      ["a", "b"],
    ]);
    expect(read("--shards x y --quick a --shards z")).toEqual([["x", "y", "z"], ["a"]]);
    expect(read("--shards=x a b")).toEqual([["x"], ["a", "b"]]);
    expect(read("--shards x y -- a -b")).toEqual([
      ["x", "y"],
      ["a", "-b"],
    ]);
    expect(() => read("a --shards --quick")).toThrow(/--shards needs a value/);
  });

  it("asks for nothing else when help is asked for", () => {
    expect(parseLine(command, ["--help"])).toMatchObject({ help: true, values: {} });
  });
});

describe("nearestWord", () => {
  it("finds the nearest word, swaps counting once, and nothing far away", () => {
    expect(nearestWord("tarin", ["shard", "train", "push"])).toBe("train");
    expect(nearestWord("learning-rat", ["learning-rate", "batch"])).toBe("learning-rate");
    expect(nearestWord("frobnicate", ["shard", "train", "push"])).toBeUndefined();
  });
});
