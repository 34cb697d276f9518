import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frozenMask } from "../../../shared/alignment/mask.ts";
import { maskWordsOf } from "../../../shared/fusion/frozen.ts";
import { MASK_PADDING } from "../../../shared/kernels/averaging.ts";
import { FLOAT_NAMES, floatBytes } from "../../support/float-oracle.ts";
import { average, kernels, patterns, UNEQUAL, weightsLike } from "./averaging-rows.ts";

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
