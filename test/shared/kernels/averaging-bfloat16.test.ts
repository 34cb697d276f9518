import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { roundFloat, valueOfBits } from "../../support/float-oracle.ts";
import { average } from "./averaging-rows.ts";

describe("BF16 without float64 gives the bits of float64", () => {
  /** Numbers of few bits and near exponents, whose averages often lie on a rounding boundary or cancel. */
  const coarse = fc
    .tuple(fc.integer({ min: -255, max: 255 }), fc.integer({ min: -6, max: 1 }))
    .map(([digits, exponent]) => roundFloat("BF16", digits * 2 ** exponent));
  const any = fc.integer({ min: 0, max: 0xffff }).map(BigInt);
  const zero = fc.constantFrom(0n, 0x8000n);
  const small = fc.integer({ min: 0, max: 0x0e00 }).map(BigInt);
  const large = fc.integer({ min: 0x7a00, max: 0x7f7f }).map(BigInt);
  const element = fc.oneof({ weight: 6, arbitrary: coarse }, any, zero, { weight: 1, arbitrary: small }, large);
  const nine = fc.oneof(
    fc.array(element, { minLength: 33, maxLength: 33 }),
    fc.array(coarse, { minLength: 33, maxLength: 33 }),
  );
  const equal = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.constantFrom(1, 0.25, 0.3, 3));
  const weights = fc.oneof(
    equal.map(([count, weight]) => Array.from({ length: count }, () => weight)),
    fc.array(fc.constantFrom(0.1, 0.2, 0.3, 0.4, 1, 2, 3), { minLength: 1, maxLength: 9 }),
    fc.array(fc.double({ min: 1e-3, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 9 }),
    fc.constantFrom([1, 0], [1e-30, 1], [0, 0, 1], [1, 2 ** -130], [1e-300, 1e-300, 1]),
  );

  it("for any weights, normalised", () => {
    fc.assert(
      fc.property(weights, fc.array(nine, { minLength: 9, maxLength: 9 }), (given, columns) => {
        const rows = columns.slice(0, given.length);
        const { bits } = average("BF16", "BF16", rows, given);
        // BF16 to F64 has no shortcut: it is the float64 average itself.
        const wide = average("BF16", "F64", rows, given).bits.map((pattern) => valueOfBits("F64", pattern));
        expect(bits).toEqual(wide.map((value) => roundFloat("BF16", value)));
      }),
      { numRuns: 3000, endOnFailure: true },
    );
  });

  it("where equal weights meet a boundary but for something that float32 does not see", () => {
    for (const inputs of [3, 4, 5, 7, 8]) {
      const tiny = Array.from({ length: 48 }, (_, at) => (at % 2 === 0 ? 1 : -1) * 2 ** (-4 - Math.floor(at / 2)));
      const rows = [
        tiny.map(() => roundFloat("BF16", inputs)),
        tiny.map(() => roundFloat("BF16", inputs * 2 ** -8)),
        tiny.map((value) => roundFloat("BF16", value)),
        ...Array.from({ length: inputs - 3 }, () => tiny.map(() => 0n)),
      ];
      // 1 and half a step more, and then a little more or less: up, or down.
      const expected = tiny.map((value) => {
        const exact = (inputs + inputs * 2 ** -8 + value) / inputs;
        return exact > 1 + 2 ** -8 && exact < 1 + 2 ** -7 ? 0x3f81n : roundFloat("BF16", exact);
      });
      const { bits } = average(
        "BF16",
        "BF16",
        rows,
        rows.map(() => 1),
      );
      expect(bits).toEqual(expected);
    }
  });

  it("for plain weighted sums, negative weights too", () => {
    const signed = fc.array(fc.constantFrom(1, -1, 0.5, -0.3, 1.1, 0), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.oneof(signed, weights), fc.array(nine, { minLength: 9, maxLength: 9 }), (given, columns) => {
        const rows = columns.slice(0, given.length);
        const { bits } = average("BF16", "BF16", rows, given, false);
        const wide = average("BF16", "F64", rows, given, false).bits.map((pattern) => valueOfBits("F64", pattern));
        expect(bits).toEqual(wide.map((value) => roundFloat("BF16", value)));
      }),
      { numRuns: 2000, endOnFailure: true },
    );
  });
});
