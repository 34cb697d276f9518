import { describe, expect, it } from "vitest";
import { roundFloat, valueOfBits } from "../../support/float-oracle.ts";
import { average, FLOAT8, kernels } from "./averaging-rows.ts";

describe("float8", () => {
  const all = Array.from({ length: 256 }, (_, bits) => BigInt(bits));

  it.each([
    ["F8_E4M3", { "7e": 448, "08": 2 ** -6, "01": 2 ** -9, "38": 1, b8: -1, "7f": Number.NaN, ff: Number.NaN }],
    ["F8_E5M2", { "7b": 57344, "04": 2 ** -14, "01": 2 ** -16, "3c": 1, bc: -1, "7c": Infinity, fd: Number.NaN }],
  ] as const)("%s widens as the OCP specification says", (name, values) => {
    const given = Object.keys(values).map((hex) => BigInt(`0x${hex}`));
    const { bits } = average(name, "F64", [given], [1]);
    expect(bits.map((pattern) => valueOfBits("F64", pattern))).toEqual(Object.values(values));
  });

  it.each(FLOAT8)("%s: every pattern comes back from an average with itself, and widens exactly", (name) => {
    const same = all.map((bits) => (Number.isNaN(valueOfBits(name, bits)) ? roundFloat(name, Number.NaN) : bits));
    for (const weights of [[1], [0.1, 0.7, 1 / 3]]) {
      const rows = weights.map(() => all);
      expect(average(name, name, rows, weights).bits).toEqual(same);
    }
    for (const wide of ["F16", "BF16", "F32", "F64"] as const) {
      expect(average(name, wide, [all], [1]).bits).toEqual(
        all.map((bits) => roundFloat(wide, valueOfBits(name, bits))),
      );
    }
  });

  it.each(FLOAT8)("%s takes float64 between any two neighbours to the right one", (name) => {
    const finite = name === "F8_E4M3" ? 0x7e : 0x7b;
    const edges = Array.from({ length: finite }, (_, at) => {
      const low = valueOfBits(name, BigInt(at));
      const tie = roundFloat("F64", (low + valueOfBits(name, BigInt(at + 1))) / 2);
      return [tie - 1n, tie, tie + 1n, tie | (1n << 63n), roundFloat("F64", low), roundFloat("F64", -low)];
    }).flat();
    expect(average("F64", name, [edges], [1]).bits).toEqual(
      edges.map((bits) => roundFloat(name, valueOfBits("F64", bits))),
    );
  });

  it("overflows beyond the tie above the largest number: E4M3 to a NaN with the sign, E5M2 to infinity", () => {
    const cases = [
      ["F8_E4M3", [448, 464, 464.00000000000006, -464.00000000000006, 1e30, -Infinity], "7e 7e 7f ff 7f ff", 4],
      ["F8_E5M2", [57344, 61439.99999999999, 61440, -61440, 1e30, -Infinity], "7b 7b 7c fc 7c fc", 4],
    ] as const;
    for (const [name, values, expected, nonFinite] of cases) {
      // Once in the vector loop, once in the rest.
      for (const padding of [0, 2]) {
        const padded = [...values, ...Array.from({ length: padding }, () => 0)];
        const row = padded.map((value) => roundFloat("F64", value));
        const result = average("F64", name, [row], [1]);
        expect(result.nonFinite).toBe(nonFinite);
        expect(
          result.bits
            .slice(0, values.length)
            .map((bits) => bits.toString(16))
            .join(" "),
        ).toBe(expected);
      }
      const singles = [...values.slice(-2), 1, 1, 1, 1, 1, 1, 1].map((value) => roundFloat("F32", value));
      expect(average("F32", name, [singles], [1]).nonFinite).toBe(2);
    }
  });

  it.each(FLOAT8)("%s: finds what is not finite", (name) => {
    const { heap } = kernels;
    const block = heap.allocate(256);
    const marks = heap.allocate(256);
    const bytes = new Uint8Array(heap.memory.buffer);
    for (let at = 0; at < 256; at++) bytes[block + at] = at;
    bytes.fill(0, marks, marks + 256);
    const expected = all.flatMap((bits) => (Number.isFinite(valueOfBits(name, bits)) ? [] : [Number(bits)]));
    expect(kernels.scanNonFinite(name, block, 256, marks)).toEqual({ count: expected.length, first: expected[0] });
    expect(all.map(Number).filter((at) => bytes[marks + at] === 1)).toEqual(expected);
    for (const address of [block, marks]) heap.free(address);
  });
});
