import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { CutSearch } from "../../../shared/fusion/sparsify/cut-search.ts";
import { isWithin, keptRanges } from "../../../shared/fusion/sparsify/selection.ts";
import { type CombiningKernels, ROW_PADDING, scratchBytes } from "../../../shared/kernels/combining.ts";
import { cutOracle, dotOracle, keyOf, mergeOracle } from "../../support/combining-oracle.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

const MOST = 5;
const LONGEST = 120;
let kernels: CombiningKernels;
let rows: number[];
let masks: number[];
let result: number;
let scratch: number;

beforeAll(async () => {
  kernels = (await wasmEngine()).averaging.combining;
  const { heap } = kernels;
  rows = Array.from({ length: MOST + 1 }, () => heap.allocate(LONGEST * 8 + ROW_PADDING));
  masks = Array.from({ length: MOST }, () => heap.allocate(LONGEST + ROW_PADDING));
  result = heap.allocate(LONGEST * 8 + ROW_PADDING);
  scratch = heap.allocate(scratchBytes(MOST));
});

const FORMATS = [
  { format: "F32", make: Float32Array },
  { format: "F64", make: Float64Array },
] as const;

/** Numbers of a model, with zeros of both signs, equal ones, and some that are not finite. */
const number = fc.oneof(
  { weight: 8, arbitrary: fc.double({ min: -1, max: 1, noNaN: true }) },
  { weight: 3, arbitrary: fc.constantFrom(0, -0, 0.5, -0.5, 0.25, 1e-45, 3e38) },
  { weight: 1, arbitrary: fc.constantFrom(Infinity, -Infinity, Number.NaN) },
);

const DROPS_ALL = { factor: 1, weight: 1, low: 0x7fffffff, high: 0x7fffffff } as const;
const rowsArbitrary = fc
  .record({ count: fc.integer({ min: 1, max: LONGEST }), inputs: fc.integer({ min: 1, max: MOST }) })
  .chain(({ count, inputs }) =>
    fc.record({
      values: fc.array(fc.array(number, { minLength: count, maxLength: count }), {
        minLength: inputs + 1,
        maxLength: inputs + 1,
      }),
      masks: fc.array(fc.option(fc.array(fc.integer({ min: 0, max: 1 }), { minLength: count, maxLength: count })), {
        minLength: inputs,
        maxLength: inputs,
      }),
      entries: fc.array(
        fc.record({
          factor: fc.constantFrom(1, 0.3, -0.7, 2, 0),
          weight: fc.constantFrom(1, 0.3, -0.3, 0),
          low: fc.constantFrom(0, keyOf(0.25), keyOf(0.5), 0x7fffffff),
          high: fc.constantFrom(0x7fffffff, keyOf(0.5), keyOf(0.75), -1),
        }),
        { minLength: inputs, maxLength: inputs },
      ),
      lambda: fc.constantFrom(1, 0.3),
    }),
  );

describe.each(FORMATS)("rows of $format", ({ format, make }) => {
  const put = (values: readonly (readonly number[])[]) =>
    values.map((row, index) => {
      const view = new make(kernels.heap.memory.buffer, rows[index] ?? 0, row.length);
      view.set(row);
      return view.slice();
    });

  it("have the dot products of plain loops, bit for bit, with a base and without", () => {
    fc.assert(
      fc.property(rowsArbitrary, fc.boolean(), ({ values }, differs) => {
        const exact = put(values);
        const [base = new make(0), ...inputs] = exact;
        const count = base.length;
        const vectors = inputs.map((row) => Float64Array.from(row, (x, at) => (differs ? x - (base[at] ?? 0) : x)));
        const addresses = rows.slice(1, values.length);
        const found = kernels.products({ format, count, scratch }, addresses, differs ? (rows[0] ?? 0) : 0);
        const expected = vectors.flatMap((a, i) => vectors.slice(0, i + 1).map((b) => dotOracle(a, b)));
        expect([...found]).toEqual(expected);
      }),
    );
  });

  it("merge as plain loops do, bit for bit, and tell of what is dropped and not finite", () => {
    fc.assert(
      fc.property(rowsArbitrary, fc.boolean(), (test, elects) => {
        const exact = put(test.values);
        const [base = new make(0), ...inputs] = exact;
        const count = base.length;
        for (const [input, mask] of test.masks.entries()) {
          if (mask !== null) new Uint8Array(kernels.heap.memory.buffer, masks[input], count).set(mask);
        }
        const merged = test.entries.map((entry, input) => ({
          ...entry,
          address: rows[input + 1] ?? 0,
          mask: test.masks[input] === null ? 0 : (masks[input] ?? 0),
        }));
        const block = { format, count, scratch };
        const told = elects
          ? kernels.mergeElected(block, merged, rows[0] ?? 0, result, test.lambda, 1e-8)
          : kernels.mergeAll(block, merged, rows[0] ?? 0, result, test.lambda, 3);
        const found = [...new Float64Array(kernels.heap.memory.buffer, result, count)];
        const expected = mergeOracle(
          test.entries.map((entry, i) => ({ ...entry, values: inputs[i] ?? [], mask: test.masks[i] ?? undefined })),
          base,
          test.lambda,
          elects ? { negligible: 1e-8 } : { divisor: 3 },
        );
        expect(found).toEqual([...expected]);
        const finite = exact.every((row) => row.every((x) => Number.isFinite(x)));
        if (!finite) expect(told > 0 || found.some((x) => !Number.isFinite(x))).toBe(true);
      }),
      // A row whose every difference is dropped, an infinite one too: no key reaches the smallest that stays.
      { examples: [[{ values: [[0], [Infinity]], masks: [null], entries: [DROPS_ALL], lambda: 1 }, false]] },
    );
  });

  it("sum up magnitudes in four interleaved sums", () => {
    fc.assert(
      fc.property(rowsArbitrary, ({ values, masks: [mask = null], entries: [entry] }) => {
        const [base = new make(0), row = new make(0)] = put(values);
        const { low = 0, high = -1 } = entry ?? {};
        const count = base.length;
        if (mask !== null) new Uint8Array(kernels.heap.memory.buffer, masks[0], count).set(mask);
        const sizes = Array.from(row, (x, at) => Math.abs(x - (base[at] ?? 0)));
        const finite = sizes.map((size) => (size < Infinity ? size : 0));
        const kept = finite.map((size, at) => {
          const key = keyOf(sizes[at] ?? 0);
          return key >= low && key <= high && mask?.[at] !== 0 ? size : 0;
        });
        const ones = finite.map(() => 1);
        const merged = {
          address: rows[1] ?? 0,
          mask: mask === null ? 0 : (masks[0] ?? 0),
          factor: 1,
          weight: 1,
          low,
          high,
        };
        expect(kernels.magnitudeSums({ format, count, scratch }, merged, rows[0] ?? 0)).toEqual([
          dotOracle(finite, ones),
          dotOracle(kept, ones),
        ]);
      }),
    );
  });
});

it("rounds rows as Float32Array does", () => {
  fc.assert(
    fc.property(fc.array(number, { minLength: 1, maxLength: LONGEST }), (values) => {
      new Float64Array(kernels.heap.memory.buffer, rows[0], values.length).set(values);
      const nonFinite = kernels.encode("F32", rows[0] ?? 0, result, values.length);
      const found = [...new Float32Array(kernels.heap.memory.buffer, result, values.length)];
      expect(found).toEqual([...new Float32Array(values)]);
      expect(nonFinite).toBe(found.filter((x) => !Number.isFinite(x)).length);
    }),
  );
});

describe("the search for a cut", () => {
  const BLOCK = 4096;

  /** Rounds until all is found, as a reduction makes them. @returns how many rounds it took */
  function search(values: Float32Array, ranks: readonly number[]) {
    const cuts = new CutSearch(values.length, ranks);
    const address = kernels.heap.allocate(BLOCK * 4);
    let rounds = 0;
    try {
      cuts.prepare(kernels);
      for (; !cuts.done; cuts.endRound()) {
        rounds++;
        for (let first = 0; first < values.length; first += BLOCK) {
          const part = values.subarray(first, first + BLOCK);
          new Float32Array(kernels.heap.memory.buffer, address, part.length).set(part);
          cuts.look({ format: "F32", count: part.length, scratch, address, base: 0, first });
        }
      }
      return { cuts: cuts.cuts, rounds };
    } finally {
      cuts.free();
      kernels.heap.free(address);
    }
  }

  const random = (seed: number) => {
    let state = seed | 1;
    return () => (state = (Math.imul(state, 1664525) + 1013904223) | 0) / 2 ** 31;
  };
  const draw = random(7);
  const STREAMS: readonly [title: string, values: Float32Array, rounds: number][] = [
    ["a short one", Float32Array.from({ length: 700 }, draw), 1],
    ["one of equal numbers", new Float32Array(50_000).fill(0.5), 3],
    ["one of few numbers", Float32Array.from({ length: 90_000 }, () => Math.round(draw() * 4)), 3],
    ["a long one, from a list", Float32Array.from({ length: 150_000 }, draw), 1],
    ["one that drifts", Float32Array.from({ length: 150_000 }, (_, at) => draw() * (1 + at / 1000)), 2],
  ];

  it.each(STREAMS)("finds those of %s", (_, values, mostRounds) => {
    const { length } = values;
    for (const rank of [1, Math.trunc(length * 0.2), Math.trunc(length / 2), length - 1]) {
      const { cuts, rounds } = search(values, [rank]);
      const { key, indices } = cutOracle(values, rank);
      const [cut = { key: -2, last: 0 }] = cuts;
      expect(cut.key).toBe(key);
      for (let at = 0; at < length; at++) {
        if (isWithin(cut, keyOf(values[at] ?? 0), at) !== indices.has(at)) throw new Error(`${at} of rank ${rank}`);
      }
      if (rank === Math.trunc(length / 2)) expect(rounds).toBeLessThanOrEqual(mostRounds);
    }
    const both = search(values, [Math.trunc(length * 0.1), Math.trunc(length * 0.6)]).cuts;
    expect(both.map(({ key }) => key)).toEqual(
      [0.1, 0.6].map((share) => cutOracle(values, Math.trunc(length * share)).key),
    );
  });

  it("finds a cut that the beginning of the stream says nothing of, of which only a part was counted", () => {
    const values = Float32Array.from({ length: 700_000 }, (_, at) => draw() * (1 + at / 100_000));
    const rank = values.length / 2;
    const { cuts, rounds } = search(values, [rank]);
    const sorted = new Uint32Array(values.buffer).map((bits) => bits & 0x7fffffff).sort();
    const key = sorted[values.length - rank] ?? -1;
    expect(cuts[0]?.key).toBe(key);
    let kept = 0;
    for (let at = 0; at < values.length; at++) {
      if (isWithin(cuts[0] ?? { key: -2, last: 0 }, keyOf(values[at] ?? 0), at)) kept++;
    }
    expect(kept).toBe(rank);
    expect(rounds).toBeLessThanOrEqual(3);
  });

  it("turns cuts into ranges of keys that keep the same elements", () => {
    const cut = fc.record({ key: fc.integer({ min: -1, max: 6 }), last: fc.integer({ min: -1, max: 30 }) });
    fc.assert(
      fc.property(cut, cut, fc.nat(10), fc.integer({ min: 1, max: 20 }), (top, bottom, first, count) => {
        const ranges = keptRanges(top, bottom, first, count);
        for (let at = 0; at < count; at++) {
          const [range, ...others] = ranges.filter(({ begin, end }) => begin <= at && at < end);
          expect(others).toEqual([]);
          for (let key = 0; key < 8; key++) {
            const kept = isWithin(bottom, key, first + at) && !isWithin(top, key, first + at);
            expect(range !== undefined && key >= range.low && key <= range.high).toBe(kept);
          }
        }
      }),
    );
  });
});
