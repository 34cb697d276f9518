import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { frozenMask } from "../../../shared/alignment/mask.ts";
import { maskWordsOf } from "../../../shared/fusion/frozen.ts";
import { type AveragingKernels, MASK_PADDING } from "../../../shared/kernels/averaging.ts";
import {
  exactAverage,
  FLOAT_NAMES,
  floatBytes,
  float64Average,
  type FloatName,
  roundFloat,
  valueOfBits,
} from "../../support/float-oracle.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

let kernels: AveragingKernels;
beforeAll(async () => {
  kernels = (await wasmEngine()).averaging;
});

const NARROW = ["F8_E4M3", "F8_E5M2", "F16", "BF16", "F32"] as const;
const FLOAT8 = ["F8_E4M3", "F8_E5M2"] as const;
const EQUAL = { 2: [1, 1], 7: [1, 1, 1, 1, 1, 1, 1] } as const;
const UNEQUAL = { 2: [0.3, 0.7], 7: [0.1, 1, 2.5, 3e-3, 0.7, 11, 1 / 3] } as const;

function bitsOf(name: FloatName, heap: DataView, address: number): bigint {
  switch (floatBytes(name)) {
    case 1:
      return BigInt(heap.getUint8(address));
    case 2:
      return BigInt(heap.getUint16(address, true));
    case 4:
      return BigInt(heap.getUint32(address, true));
    default:
      return heap.getBigUint64(address, true);
  }
}

function storeBits(name: FloatName, heap: DataView, address: number, bits: bigint): void {
  if (floatBytes(name) === 1) heap.setUint8(address, Number(bits));
  else if (floatBytes(name) === 2) heap.setUint16(address, Number(bits), true);
  else if (floatBytes(name) === 4) heap.setUint32(address, Number(bits), true);
  else heap.setBigUint64(address, bits, true);
}

/** Runs a kernel over rows of bit patterns, one row an input. */
function average(
  input: FloatName,
  output: FloatName,
  rows: readonly (readonly bigint[])[],
  weights: readonly number[],
  normalize = true,
): { bits: bigint[]; nonFinite: number } {
  const count = rows[0]?.length ?? 0;
  const { heap } = kernels;
  // An odd address: nothing promises alignment.
  const blocks = rows.map(() => heap.allocate(count * 8 + 1));
  const result = heap.allocate(count * 8 + 1);
  const addresses = blocks.map((block) => block + 1);
  const table = kernels.prepareWeights(addresses, weights, normalize);
  const view = new DataView(heap.memory.buffer);
  for (const [index, row] of rows.entries()) {
    for (const [at, bits] of row.entries()) {
      storeBits(input, view, (addresses[index] ?? 0) + at * floatBytes(input), bits);
    }
  }
  const nonFinite = kernels.average(table, input, output, result + 1, count);
  const bits = Array.from({ length: count }, (_, at) => bitsOf(output, view, result + 1 + at * floatBytes(output)));
  table.free();
  for (const block of [...blocks, result]) heap.free(block);
  return { bits, nonFinite };
}

/** Deterministic bit patterns that reach every corner of a format: all exponents, few or many fraction bits. */
function patterns(name: FloatName, count: number, seed: number): bigint[] {
  let state = BigInt(seed) * 0x9e3779b97f4a7c15n + 1n;
  const next = () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return ((state >> 33n) ^ (state << 20n)) & 0xffffffffffffffffn;
  };
  const width = BigInt(floatBytes(name) * 8);
  return Array.from({ length: count }, () => {
    for (;;) {
      const bits = next() & ((1n << width) - 1n);
      if (Number.isFinite(valueOfBits(name, bits))) return bits;
    }
  });
}

/** Bit patterns of numbers near one. */
function weightsLike(name: FloatName, count: number, seed: number): bigint[] {
  return Array.from({ length: count }, (_, index) => roundFloat(name, Math.sin(index * 12.9898 + seed * 78.233) * 0.5));
}

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

describe("frozen entries", () => {
  it.each(FLOAT_NAMES)("%s: what is equal in all inputs comes back bit for bit", (name) => {
    const specials = [0n, 1n << BigInt(floatBytes(name) * 8 - 1), 1n, 2n, 3n];
    const row = [...specials, ...patterns(name, 2000, 5), ...weightsLike(name, 500, 1)];
    for (const weights of [
      [0.1, 0.2],
      [1 / 3, 1 / 7, 0.11],
      [1e-300, 3e-300],
      [1e300, 7e299],
      [1e-320, 3e-320, 1],
      ...Object.values(UNEQUAL),
    ]) {
      expect(
        average(
          name,
          name,
          weights.map(() => row),
          weights,
        ),
      ).toEqual({ bits: row, nonFinite: 0 });
    }
  });

  it("hold for any positive weights", () => {
    const weight = fc.double({ min: 5e-324, max: 1e300, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(weight, { minLength: 1, maxLength: 9 }),
        fc.constantFrom(...FLOAT_NAMES),
        (weights, name) => {
          const row = patterns(name, 33, weights.length);
          expect(
            average(
              name,
              name,
              weights.map(() => row),
              weights,
            ).bits,
          ).toEqual(row);
        },
      ),
      { numRuns: 200 },
    );
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

describe("frozen masks in the heap", () => {
  it("equal the JavaScript mask for any range", () => {
    const limit = 2 ** 34; // where the block counter's low word wraps around
    const begin = fc.oneof(fc.nat(1000), fc.integer({ min: limit - 80, max: limit + 80 }), fc.nat(2 ** 31 - 1));
    fc.assert(
      fc.property(
        begin,
        fc.nat(100),
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.constantFrom(0, 0.4, 0.8, 0.999),
        (first, count, seed, fixedRatio) => {
          const alignment = {
            scheme: "philox4x32-10",
            seed: String(seed),
            fixedRatio,
            scope: "all",
            init: "",
          } as const;
          const words = maskWordsOf(alignment, "hidden_0/kernel");
          if (words === undefined) throw new Error("a kernel is in the mask's scope");
          const buffer = kernels.heap.allocate(count + MASK_PADDING);
          const at = kernels.frozenMask(words, first, count, buffer);
          const mask = new Uint8Array(kernels.heap.memory.buffer, at, count).slice();
          const ones = kernels.countOnes(at, count);
          kernels.heap.free(buffer);
          const expected = frozenMask({ seed, fixedRatio }, "hidden_0/kernel", first, count);
          expect(mask).toEqual(expected);
          expect(ones).toBe(expected.reduce((sum, one) => sum + one, 0));
        },
      ),
    );
  });

  it.each([2, 4, 8])("compare elements of %i bytes only where the mask is 1", (width) => {
    const { heap } = kernels;
    fc.assert(
      fc.property(
        fc.nat(70),
        fc.infiniteStream(fc.nat(2)),
        fc.infiniteStream(fc.nat(9)),
        (count, maskBits, changes) => {
          const [a, b, mask] = [
            heap.allocate(count * width + 1),
            heap.allocate(count * width + 1),
            heap.allocate(count + 1),
          ];
          const bytes = new Uint8Array(heap.memory.buffer);
          const expected: number[] = [];
          for (let at = 0; at < count; at++) {
            bytes.fill(at, a + at * width, a + (at + 1) * width);
            bytes.fill(at, b + at * width, b + (at + 1) * width);
            const frozen = (maskBits.next().value as number) === 1;
            const changed = changes.next().value as number;
            bytes[mask + at] = frozen ? 1 : 0;
            if (changed < width) bytes[b + at * width + changed] = at ^ 0x80;
            if (frozen && changed < width) expected.push(at);
          }
          const found = kernels.countMaskedMismatches(width, a, b, mask, count);
          for (const address of [a, b, mask]) heap.free(address);
          expect(found).toEqual({ count: expected.length, first: expected[0] ?? 0 });
        },
      ),
    );
  });
});
