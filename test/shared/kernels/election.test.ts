import fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { type CombiningKernels, LARGEST_KEY, ROW_PADDING, scratchBytes } from "../../../shared/kernels/combining.ts";
import { keyOf, mergeOracle } from "../../support/combining-oracle.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

const MOST = 4;
const LONGEST = 200;
const LAMBDA = 0.7;
const NEGLIGIBLE = 1e-8;
let kernels: CombiningKernels;
let rows: number[];
let result: number;
let scratch: number;

beforeAll(async () => {
  kernels = (await wasmEngine()).averaging.combining;
  const { heap } = kernels;
  rows = Array.from({ length: MOST + 1 }, () => heap.allocate(LONGEST * 4 + ROW_PADDING));
  result = heap.allocate(LONGEST * 8 + ROW_PADDING);
  scratch = heap.allocate(scratchBytes(MOST));
});

function put(values: readonly (readonly number[])[]): Float32Array[] {
  return values.map((row, index) => {
    const whole = Math.ceil(row.length / 4) * 4;
    const view = new Float32Array(kernels.heap.memory.buffer, rows[index] ?? 0, whole);
    view.fill(0);
    view.set(row);
    return view.slice(0, row.length);
  });
}

const rowOf = (input: number, own: { factor: number; weight: number; low: number }) => {
  return { ...own, address: rows[input + 1] ?? 0, mask: 0, high: LARGEST_KEY };
};

/** Finite numbers, near one another and far, whose differences float32 often has to round; no -0 in the base. */
const number = fc.oneof(
  { weight: 6, arbitrary: fc.double({ min: -1, max: 1, noNaN: true }) },
  { weight: 3, arbitrary: fc.integer({ min: -9, max: 9 }).map((steps) => 1 + steps * 2 ** -23) },
  { weight: 2, arbitrary: fc.integer({ min: -3, max: 3 }).map((steps) => steps * 2 ** -149) },
  { weight: 3, arbitrary: fc.constantFrom(0, -0, 0.5, -0.5, 2 ** -24, 3 * 2 ** -25, 1e30) },
);

const test = fc
  .record({ count: fc.integer({ min: 1, max: LONGEST }), inputs: fc.integer({ min: 2, max: MOST }) })
  .chain(({ count, inputs }) =>
    fc.record({
      values: fc.array(fc.array(number, { minLength: count, maxLength: count }), {
        minLength: inputs + 1,
        maxLength: inputs + 1,
      }),
      plain: fc.boolean(),
      negligible: fc.constantFrom(NEGLIGIBLE, Infinity),
      entries: fc.array(
        fc.record({
          factor: fc.constantFrom(1, 0.3, -0.7, 2, 0),
          weight: fc.constantFrom(1, 0.3, -0.3, 0),
          at: fc.nat(),
          off: fc.integer({ min: -1, max: 1 }),
        }),
        { minLength: inputs, maxLength: inputs },
      ),
    }),
  );

it("elects as plain loops do, bit for bit, and rounds once", () => {
  fc.assert(
    fc.property(test, ({ values, plain, negligible, entries }) => {
      const [base = new Float32Array(), ...inputs] = put([
        (values[0] ?? []).map((x) => Math.fround(x) + 0),
        ...values.slice(1),
      ]);
      const count = base.length;
      const owns = entries.map(({ factor, weight, at, off }, input) => {
        // At a key of the differences, and next to it.
        const place = at % count;
        const low = Math.max(0, keyOf((inputs[input]?.[place] ?? 0) - (base[place] ?? 0)) + off);
        return plain ? { factor: 1, weight: 1, low } : { factor, weight, low };
      });
      const merged = owns.map((own, input) => rowOf(input, own));
      const expected = mergeOracle(
        owns.map((own, input) => ({ ...own, high: LARGEST_KEY, values: inputs[input] ?? [] })),
        base,
        LAMBDA,
        { negligible },
      );
      const block = { format: "F32", count, scratch } as const;
      const elect = (format: "F32" | "F64") =>
        kernels.elect(block, merged, rows[0] ?? 0, { format, address: result }, LAMBDA, negligible);
      expect(elect("F64")).toBe(true);
      expect([...new Float64Array(kernels.heap.memory.buffer, result, count)]).toEqual([...expected]);
      expect(elect("F32")).toBe(true);
      expect([...new Float32Array(kernels.heap.memory.buffer, result, count)]).toEqual([
        ...Float32Array.from(expected),
      ]);
    }),
    { numRuns: 400 },
  );
});

it.each([
  { what: "NaN", at: 1, value: Number.NaN },
  { what: "infinity", at: 2, value: -Infinity },
  { what: "an infinite base", at: 0, value: Infinity },
  { what: "a base of -0", at: 0, value: -0 },
])("leaves a block with $what alone", ({ at, value }) => {
  for (const place of [0, 5, 70]) {
    const values = [0, 1, 2].map((row) => Array.from({ length: 71 }, (_, index) => row + index / 64));
    (values[at] ?? [])[place] = value;
    put(values);
    const merged = [0, 1].map((input) => rowOf(input, { factor: 1, weight: 1, low: 0 }));
    const block = { format: "F32", count: 71, scratch } as const;
    for (const format of ["F32", "F64"] as const) {
      const target = { format, address: result };
      expect(kernels.elect(block, merged, rows[0] ?? 0, target, LAMBDA, NEGLIGIBLE)).toBe(false);
    }
  }
});

it("leaves infinities of both signs, masks and upper bounds to the general kernel", () => {
  put([[0], [Infinity], [-Infinity]]);
  const merged = [0, 1].map((input) => rowOf(input, { factor: 1, weight: 1, low: 0 }));
  const elect = (own: typeof merged) =>
    kernels.elect(
      { format: "F32", count: 1, scratch },
      own,
      rows[0] ?? 0,
      { format: "F32", address: result },
      LAMBDA,
      NEGLIGIBLE,
    );
  expect(elect(merged)).toBe(false);
  put([[0], [1], [2]]);
  expect(elect(merged)).toBe(true);
  expect(elect(merged.map((row) => ({ ...row, mask: rows[3] ?? 0 })))).toBe(false);
  expect(elect(merged.map((row) => ({ ...row, high: keyOf(1) })))).toBe(false);
  expect(elect(merged.slice(0, 1))).toBe(false);
});
