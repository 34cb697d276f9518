import { describe, expect, it } from "vitest";
import { philox4x32 } from "../../../shared/random/philox.ts";
import { RandomStream } from "../../../shared/random/stream.ts";

const block = (counter: [number, number, number, number], key: [number, number]) => {
  const out = new Uint32Array(4);
  philox4x32(counter, key, out);
  return Array.from(out, (word) => word.toString(16).padStart(8, "0")).join(" ");
};

describe("Philox4x32-10", () => {
  // Random123's kat_vectors, the lines "philox4x32 10".
  it.each([
    [[0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    [[0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], "408f276d 41c83b0e a20bc7c6 6d5451fd"],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], "d16cfe09 94fdcceb 5001e420 24126ea1"],
  ] as [[number, number, number, number], [number, number], string][])(
    "gives the known answer for %j",
    (counter, key, answer) => {
      expect(block(counter, key)).toBe(answer);
    },
  );

  it("agrees with the definition in big integers", () => {
    const mask = 0xffffffffn;
    const oracle = (counter: bigint[], key: bigint[]) => {
      let [c0 = 0n, c1 = 0n, c2 = 0n, c3 = 0n] = counter;
      let [k0 = 0n, k1 = 0n] = key;
      for (let round = 0; round < 10; round++) {
        const p0 = 0xd2511f53n * c0;
        const p1 = 0xcd9e8d57n * c2;
        [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
        k0 = (k0 + 0x9e3779b9n) & mask;
        k1 = (k1 + 0xbb67ae85n) & mask;
      }
      return [c0, c1, c2, c3].map((word) => word.toString(16).padStart(8, "0")).join(" ");
    };
    for (let i = 0; i < 500; i++) {
      const words = Array.from({ length: 6 }, (_, j) => Math.imul(i * 6 + j + 1, 0x9e3779b1) >>> 0);
      const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = words;
      expect(block([a, b, c, d], [e, f])).toBe(oracle(words.slice(0, 4).map(BigInt), words.slice(4).map(BigInt)));
    }
  });
});

describe("RandomStream", () => {
  it("repeats itself, and differs by seed and by label", () => {
    const draw = (seed: bigint, label: string) => {
      const random = new RandomStream(seed, label);
      return Array.from({ length: 9 }, () => random.uint32());
    };
    expect(draw(1n, "a")).toEqual(draw(1n, "a"));
    expect(draw(1n, "a")).not.toEqual(draw(2n, "a"));
    expect(draw(1n, "a")).not.toEqual(draw(1n << 32n, "a"));
    expect(draw(1n, "a")).not.toEqual(draw(1n, "b"));
  });

  it("draws uniform and normal deviates with the right moments", () => {
    const random = new RandomStream(7n, "moments");
    const moments = (next: () => number) => {
      const values = Array.from({ length: 40_000 }, next);
      const mean = values.reduce((sum, value) => sum + value) / values.length;
      return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length };
    };
    const uniform = moments(() => random.uniform());
    expect(uniform.mean).toBeCloseTo(0.5, 2);
    expect(uniform.variance).toBeCloseTo(1 / 12, 2);
    const normal = moments(() => random.normal());
    expect(Math.abs(normal.mean)).toBeLessThan(0.02);
    expect(normal.variance).toBeCloseTo(1, 1);
  });

  it("shuffles into a permutation", () => {
    const items = Int32Array.from({ length: 1000 }, (_, index) => index);
    new RandomStream(3n, "shuffle").shuffle(items);
    expect(items.slice(0, 10)).not.toEqual(Int32Array.from({ length: 10 }, (_, index) => index));
    expect(items.toSorted()).toEqual(Int32Array.from({ length: 1000 }, (_, index) => index));
  });
});
