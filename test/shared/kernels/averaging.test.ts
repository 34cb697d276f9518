import { describe, expect, it } from "vitest";
import {
  exactAverage,
  FLOAT_NAMES,
  floatBytes,
  float64Average,
  roundFloat,
  valueOfBits,
} from "../../support/float-oracle.ts";
import { average, EQUAL, kernels, NARROW, patterns, UNEQUAL, weightsLike } from "./averaging-rows.ts";

describe("averages of at most 32 bits equal float64 in order, rounded once", () => {
  for (const input of NARROW) {
    for (const output of FLOAT_NAMES) {
      for (const inputs of [2, 7] as const) {
        it.each([
          ["equal", EQUAL[inputs]],
          ["unequal", UNEQUAL[inputs]],
        ])(`${input} to ${output}, ${inputs} inputs, %s weights`, (_, weights) => {
          for (const draw of [patterns, weightsLike]) {
            // 1 003 is no multiple of the vector width, so the tail runs too.
            const rows = weights.map((__, index) => draw(input, 1003, index + 1));
            const { bits } = average(input, output, rows, weights);
            const expected = bits.map((__, at) =>
              float64Average(
                output,
                rows.map((row) => valueOfBits(input, row[at] ?? 0n)),
                weights,
              ),
            );
            expect(bits).toEqual(expected);
          }
        });
      }
    }
  }
});

describe("averages of F64 equal exact fractions, rounded once", () => {
  for (const output of FLOAT_NAMES) {
    for (const inputs of [2, 7] as const) {
      it.each([
        ["equal", EQUAL[inputs]],
        ["unequal", UNEQUAL[inputs]],
      ])(`F64 to ${output}, ${inputs} inputs, %s weights`, (_, weights) => {
        for (const draw of [patterns, weightsLike]) {
          const rows = weights.map((__, index) => draw("F64", 401, index + 1));
          const { bits } = average("F64", output, rows, weights);
          const expected = bits.map((__, at) =>
            exactAverage(
              output,
              rows.map((row) => valueOfBits("F64", row[at] ?? 0n)),
              weights,
            ),
          );
          expect(bits).toEqual(expected);
        }
      });
    }
  }

  it("rounds subnormal and huge results once", () => {
    const values = [5e-324, 1.5e-323, 2e-320, -5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 0, 1e-308, 1];
    const pairs = values.flatMap((a) => values.map((b) => [a, b] as const));
    for (const weights of [
      [1, 1],
      [1, 3],
      [0.3, 0.7],
      [1e300, 1e300],
      [1e-310, 2e-310],
    ]) {
      const rows = [0, 1].map((side) => pairs.map((pair) => roundFloat("F64", pair[side] ?? 0)));
      const { bits } = average("F64", "F64", rows, weights);
      expect(bits).toEqual(pairs.map((pair) => exactAverage("F64", pair, weights)));
    }
  });
});

describe("every value of the 16-bit formats", () => {
  it.each(["F16", "BF16"] as const)("%s comes back from an average with itself", (name) => {
    const all = Array.from({ length: 65536 }, (_, bits) => BigInt(bits));
    for (const weights of [[1], [0.1, 0.7, 1 / 3]]) {
      const { bits } = average(
        name,
        name,
        weights.map(() => all),
        weights,
      );
      expect(bits).toEqual(
        all.map((pattern) => (Number.isNaN(valueOfBits(name, pattern)) ? roundFloat(name, Number.NaN) : pattern)),
      );
    }
  });

  it.each(["F16", "BF16"] as const)("%s takes float64 between any two neighbours to the right one", (name) => {
    const finite = name === "F16" ? 0x7bff : 0x7f7f;
    const bits: bigint[] = [];
    for (let at = 0; at < finite; at += 7) {
      const low = valueOfBits(name, BigInt(at));
      const middle = (low + valueOfBits(name, BigInt(at + 1))) / 2;
      // The tie itself, and the float64 next to it on either side.
      const tie = roundFloat("F64", middle);
      bits.push(tie - 1n, tie, tie + 1n, tie | (1n << 63n));
    }
    const result = average("F64", name, [bits], [1]);
    expect(result.bits).toEqual(bits.map((pattern) => roundFloat(name, valueOfBits("F64", pattern))));
    const weighted = average("F64", name, [bits, bits], [1, 3]);
    expect(weighted.bits).toEqual(result.bits);
  });
});

describe("what is not finite", () => {
  it.each(FLOAT_NAMES)("%s: NaN comes out as the one quiet NaN, infinity as infinity", (name) => {
    const row = [1, Number.NaN, Infinity, -Infinity, 2, -0, 3, 4, 5, Number.NaN].map((value) =>
      roundFloat(name, value),
    );
    // E4M3 has no infinity: its bits are a NaN's, and come out as the one NaN.
    const same = row.map((bits) => (Number.isNaN(valueOfBits(name, bits)) ? roundFloat(name, Number.NaN) : bits));
    expect(average(name, name, [row, row], [0.3, 0.7])).toEqual({ bits: same, nonFinite: 4 });
    const opposite = row.map((bits) => bits ^ (1n << BigInt(floatBytes(name) * 8 - 1)));
    const quiet = roundFloat(name, Number.NaN);
    const { bits } = average(name, name, [row, opposite], [1, 1]);
    expect([1, 2, 3, 9].map((at) => bits[at])).toEqual([quiet, quiet, quiet, quiet]);
  });

  it("overflows to infinity and counts it", () => {
    const big = roundFloat("F32", 3e38);
    expect(
      average(
        "F32",
        "F16",
        [
          [big, 0n],
          [big, 0n],
        ],
        [1, 1],
      ),
    ).toEqual({ bits: [0x7c00n, 0n], nonFinite: 1 });
    const rows = [1, 2].map(() => Array.from({ length: 9 }, () => big));
    const { bits, nonFinite } = average("F32", "F32", rows, [1, 1], false);
    expect([...new Set(bits)]).toEqual([0x7f800000n]);
    expect(nonFinite).toBe(9);
  });

  it("finds the first and counts all", () => {
    const { heap } = kernels;
    const block = heap.allocate(80);
    const marks = heap.allocate(20);
    const values = new Float32Array(heap.memory.buffer, block, 20).fill(1);
    values[7] = Number.NaN;
    values[19] = -Infinity;
    const seen = new Uint8Array(heap.memory.buffer, marks, 20).fill(0);
    expect(kernels.scanNonFinite("F32", block, 20, marks)).toEqual({ count: 2, first: 7 });
    expect(seen.join("")).toBe("00000001000000000001");
    values[3] = Infinity;
    expect(kernels.countOverflows("F32", block, 20, marks)).toEqual({ count: 1, first: 3 });
    for (const address of [block, marks]) heap.free(address);
  });
});
