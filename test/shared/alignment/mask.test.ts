import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frozenMask } from "../../../shared/alignment/mask.ts";
import { philox4x32 } from "../../../shared/random/philox.ts";

/** The definition of DESIGN section 4, element by element. */
function definition(seed: bigint, ratio: number, name: string, element: number): number {
  const digest = createHash("sha256").update(name).digest();
  const lanes = new Uint32Array(4);
  philox4x32(
    [Math.floor(element / 4) >>> 0, Math.floor(element / 4 / 2 ** 32), digest.readUInt32LE(0), digest.readUInt32LE(4)],
    [Number(seed & 0xffffffffn), Number(seed >> 32n)],
    lanes,
  );
  return (lanes[element % 4] ?? 0) < Math.floor(ratio * 2 ** 32) ? 1 : 0;
}

describe("frozenMask", () => {
  it("follows the definition for any seed, ratio, name and range", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.string(),
        fc.oneof(fc.nat(1000), fc.constantFrom(2 ** 32 - 3, 2 ** 34 - 2, 2 ** 40)),
        fc.nat(40),
        (seed, fixedRatio, name, begin, count) => {
          const expected = Array.from({ length: count }, (_, i) => definition(seed, fixedRatio, name, begin + i));
          expect(Array.from(frozenMask({ seed, fixedRatio }, name, begin, count))).toEqual(expected);
        },
      ),
    );
  });

  it("freezes the share it promises", () => {
    for (const fixedRatio of [0, 0.1, 0.4, 0.8, 0.99]) {
      const mask = frozenMask({ seed: 42n, fixedRatio }, "hidden_0/kernel", 0, 100_000);
      const share = mask.reduce((sum, bit) => sum + bit, 0) / mask.length;
      expect(Math.abs(share - fixedRatio)).toBeLessThan(0.006);
    }
  });

  it("nests: what is frozen at a ratio is frozen at every higher one", () => {
    const low = frozenMask({ seed: 5n, fixedRatio: 0.3 }, "w", 0, 5_000);
    const high = frozenMask({ seed: 5n, fixedRatio: 0.6 }, "w", 0, 5_000);
    expect(low.every((bit, index) => bit <= (high[index] ?? 0))).toBe(true);
  });

  // Computed once with this code and fixed: other languages and later versions must draw the same masks.
  it("keeps its golden masks", () => {
    const digest = (name: string, seed: bigint) =>
      createHash("sha256")
        .update(frozenMask({ seed, fixedRatio: 0.4 }, name, 0, 10_000))
        .digest("hex")
        .slice(0, 16);
    expect([digest("hidden_0/kernel", 0n), digest("output/bias", 0xfedcba9876543210n)]).toMatchInlineSnapshot(`
      [
        "b8215cf9491bbec9",
        "beb476d7bb86a45e",
      ]
    `);
  });
});
