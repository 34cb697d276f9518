import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RandomStream } from "../../../shared/random/stream.ts";
import { dirichletShares, logGamma } from "../../../trainer/data/gamma.ts";
import { dirichletPartition, iidPartition, labelPartition, type Part } from "../../../trainer/data/partition.ts";
import {
  describePartition,
  parsePartition,
  type PartitionSpec,
  partitionSplit,
} from "../../../trainer/data/partition-spec.ts";
import { Failure } from "../../../trainer/failure.ts";
import { failureOf } from "./failure-of.ts";

const seeds = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const balanced = (count: number, classes: number) => Int32Array.from({ length: count }, (_, i) => i % classes);

function expectDisjoint(parts: readonly Part[]): number[] {
  for (const part of parts) {
    expect(part.length).toBeGreaterThan(0);
    expect([...part]).toEqual([...part].toSorted((a, b) => a - b));
  }
  const all = parts.flatMap((part) => [...part]).toSorted((a, b) => a - b);
  expect(new Set(all).size).toBe(all.length);
  return all;
}

/** Disjoint, none empty, every sample in one. */
function expectCover(parts: readonly Part[], count: number): void {
  expect(expectDisjoint(parts)).toEqual(Array.from({ length: count }, (_, index) => index));
}

/** The share of the commonest class in a part, averaged over the parts. */
function skew(parts: readonly Part[], labels: Int32Array, classes: number): number {
  const shares = parts.map((part) => {
    const counts = Array.from({ length: classes }, () => 0);
    for (const sample of part) counts[labels[sample] ?? 0] = (counts[labels[sample] ?? 0] ?? 0) + 1;
    return Math.max(...counts) / part.length;
  });
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

describe("iidPartition", () => {
  it("covers, evenly, the same for a seed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 20 }), seeds, (count, wanted, seed) => {
        const parts = iidPartition(count, Math.min(wanted, count), seed);
        expectCover(parts, count);
        const sizes = parts.map((part) => part.length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        expect(iidPartition(count, parts.length, seed)).toEqual(parts);
      }),
    );
    expect(iidPartition(100, 2, 1n)).not.toEqual(iidPartition(100, 2, 2n));
  });
});

describe("dirichletPartition", () => {
  it("covers with disjoint, filled parts, or says that it cannot", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 200 }),
        fc.integer({ min: 1, max: 8 }),
        fc.double({ min: 0.001, max: 1e6, noNaN: true }),
        seeds,
        (labels, wanted, alpha, seed) => {
          const parts = Math.min(wanted, labels.length);
          try {
            const drawn = dirichletPartition(labels, 5, parts, alpha, seed);
            expect(drawn.length).toBe(parts);
            expectCover(drawn, labels.length);
          } catch (error) {
            if (!(error instanceof Failure)) throw error;
            expect(error.message).toMatch(/left one of \d+ parts without samples/);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("skews more the smaller alpha is", () => {
    const labels = balanced(5_000, 10);
    const skews = [1_000, 1, 0.1].map((alpha) => skew(dirichletPartition(labels, 10, 5, alpha, 3n), labels, 10));
    expect(skews[0]).toBeLessThan(0.13);
    expect(skews[1]).toBeGreaterThan(0.15);
    expect(skews[2]).toBeGreaterThan(0.35);
  });

  it("is the same for a seed, another for another", () => {
    const labels = balanced(500, 10);
    expect(dirichletPartition(labels, 10, 4, 0.5, 9n)).toEqual(dirichletPartition(labels, 10, 4, 0.5, 9n));
    expect(dirichletPartition(labels, 10, 4, 0.5, 9n)).not.toEqual(dirichletPartition(labels, 10, 4, 0.5, 8n));
  });

  it.each<[string, () => unknown, "usage" | "bad-input", RegExp]>([
    [
      "more parts than samples",
      () => dirichletPartition([0, 1], 2, 3, 1, 1n),
      "usage",
      /2 samples .* 3 parts; take 1 to 2/,
    ],
    ["alpha 0", () => dirichletPartition([0, 1], 2, 1, 0, 1n), "usage", /alpha is above 0/],
    ["a label outside the classes", () => dirichletPartition([0, 5], 5, 1, 1, 1n), "bad-input", /Label 1 is 5.*0 to 4/],
    [
      "shares so uneven that parts stay empty",
      () => dirichletPartition(balanced(40, 2), 2, 8, 0.001, 1n),
      "usage",
      /take fewer parts or a larger alpha/,
    ],
  ])("refuses %s", async (_, run, kind, message) => {
    const failure = await failureOf(run);
    expect(failure.kind).toBe(kind);
    expect(failure.message).toMatch(message);
  });
});

describe("labelPartition", () => {
  it("gives every part exactly so many classes, and every class to equally many parts", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat({ max: 5 }),
        seeds,
        (classes, parts, more, seed) => {
          const each = 1 + (more % classes);
          const labels = balanced(30 * classes, classes);
          const drawn = labelPartition(labels, classes, parts, each, seed);
          expect(drawn.length).toBe(parts);
          const all = expectDisjoint(drawn);
          const seen = drawn.map((part) => new Set([...part].map((sample) => labels[sample] ?? -1)));
          for (const set of seen) expect(set.size).toBe(each);
          const holders = Array.from({ length: classes }, (_, label) => seen.filter((set) => set.has(label)).length);
          expect(Math.max(...holders) - Math.min(...holders)).toBeLessThanOrEqual(1);
          // Classes that somebody holds are given away whole.
          expect(all.length).toBe(30 * holders.filter((count) => count > 0).length);
          if (parts * each >= classes) expectCover(drawn, labels.length);
        },
      ),
    );
  });

  it("counts only classes that occur", () => {
    const drawn = labelPartition([3, 3, 7, 7], 10, 2, 1, 1n);
    expect(drawn.map((part) => [...part].join()).toSorted()).toEqual(["0,1", "2,3"]);
  });

  it.each<[number, number, RegExp]>([
    [3, 1, /2 classes, so it takes 1 to 2/],
    [0, 1, /labels:0 is not possible/],
    [1, 5, /4 samples cannot be divided into 5 parts/],
  ])("refuses %d labels for %d parts", async (each, parts, message) => {
    const failure = await failureOf(() => labelPartition([3, 3, 7, 7], 10, parts, each, 1n));
    expect(failure).toMatchObject({ kind: "usage", message: expect.stringMatching(message) });
  });
});

describe("gamma and Dirichlet deviates", () => {
  it.each([0.3, 1, 4.5])("have mean and variance %d", (shape) => {
    const random = new RandomStream(11n, `gamma/${shape}`);
    const values = Array.from({ length: 20_000 }, () => Math.exp(logGamma(random, shape)));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    // Five standard errors of the mean; the variance has a heavier tail.
    expect(Math.abs(mean - shape)).toBeLessThan(5 * Math.sqrt(shape / values.length));
    expect(Math.abs(variance / shape - 1)).toBeLessThan(0.15);
  });

  it("add up to 1, also where nearly all of them underflow", () => {
    for (const alpha of [1e-6, 0.01, 1, 1e4]) {
      const shares = dirichletShares(new RandomStream(2n, `alpha/${alpha}`), 7, alpha);
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
      expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true);
    }
  });
});

describe("partition specifications", () => {
  it("are read from a command line, and written in one form", () => {
    expect(parsePartition("iid")).toEqual({ scheme: "iid" });
    expect(parsePartition("dirichlet:.50")).toEqual({ scheme: "dirichlet", alpha: 0.5 });
    expect(parsePartition("labels:2")).toEqual({ scheme: "labels", labelsPerPart: 2 });
    for (const text of ["iid", "dirichlet:0.5", "labels:2"]) expect(describePartition(parsePartition(text))).toBe(text);
  });

  it.each([
    "",
    "IID",
    "iid:2",
    "dirichlet",
    "dirichlet:",
    "dirichlet:0",
    "dirichlet:-1",
    "dirichlet:1e999",
    "labels:0",
    "labels:1.5",
    "toString:1",
  ])("refuse %j", (text) => {
    expect(() => parsePartition(text)).toThrow("iid, dirichlet:ALPHA with ALPHA above 0, or labels:COUNT");
  });

  it("divide a split", async () => {
    const y = balanced(60, 3);
    const specs: PartitionSpec[] = [
      { scheme: "iid" },
      { scheme: "dirichlet", alpha: 5 },
      { scheme: "labels", labelsPerPart: 2 },
    ];
    for (const spec of specs) expectCover(partitionSplit({ y, count: 60 }, 3, spec, 4, 1n), 60);
    expectCover(partitionSplit({ y, count: 20 }, 3, { scheme: "iid" }, 4, 1n), 20);
    const failure = await failureOf(() =>
      partitionSplit({ y, count: 20 }, 3, { scheme: "dirichlet", alpha: 1 }, 4, 1n),
    );
    expect(failure).toMatchObject({ kind: "usage", message: expect.stringMatching(/3 labels each; use iid/) });
  });
});
