import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { accuracyInterval, pairedDifference, unpairedDifference } from "../../../shared/evaluation/intervals.ts";
import type { ClassificationSums } from "../../../shared/evaluation/sums.ts";
import { RandomStream } from "../../../shared/random/stream.ts";

type Right = readonly boolean[];

const both = (a: Right, b: Right) => a.filter((isRight, index) => isRight && b[index] === true).length;

/** Sums as an evaluation has them, of what each model predicted right. */
function sumsOf(right: Right, members: readonly Right[]): ClassificationSums {
  return {
    task: "classification",
    lossSum: 0,
    correct: both(right, right),
    count: right.length,
    classes: [],
    correctWith: members.map((member) => both(right, member)),
  };
}

function difference(point: Right, coefficients: readonly number[], members: readonly Right[]) {
  return pairedDifference(
    sumsOf(point, members),
    coefficients,
    members.map((member) => sumsOf(member, members)),
  );
}

describe("the interval of an accuracy", () => {
  it.each([
    // Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
    [20, 20, 1 - 0.1611, 1],
  ])("of %i in %i is Wilson's", (correct, count, low, high) => {
    const interval = accuracyInterval({ correct, count });
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });
});

describe("the interval of a difference on different samples", () => {
  it.each([
    // Newcombe 1998, Statistics in Medicine 17:873, table II, method 10.
    [56, 70, 48, 80, 0.2, 0.0524, 0.3339],
    [9, 10, 3, 10, 0.6, 0.1705, 0.809],
    [10, 10, 0, 20, 1, 0.6791, 1],
    [0, 10, 0, 10, 0, -0.2775, 0.2775],
  ])("of %i in %i and %i in %i is Newcombe's", (a, m, b, n, middle, low, high) => {
    const found = unpairedDifference({ correct: a, count: m }, { correct: b, count: n });
    expect(found.difference).toBeCloseTo(middle, 12);
    expect(found.low).toBeCloseTo(low, 4);
    expect(found.high).toBeCloseTo(high, 4);
  });
});

describe("the interval of a difference on the same samples", () => {
  const rights = (count: number) => fc.array(fc.boolean(), { minLength: count, maxLength: count });

  it("is what the differences of all samples say, from the joint counts alone", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }).chain((count) => fc.tuple(rights(count), rights(count), rights(count))),
        fc.double({ min: 0, max: 1, noNaN: true }),
        ([point, a, b], alpha) => {
          const found = difference(point, [1 - alpha, alpha], [a, b]);
          const each = point.map(
            (isRight, index) => (1 - alpha) * Number(a[index]) + alpha * Number(b[index]) - Number(isRight),
          );
          const sum = each.reduce((total, value) => total + value, 0);
          const squares = each.reduce((total, value) => total + value * value, 0) + 1;
          const count = each.length + 2;
          const half = 1.959964 * Math.sqrt((squares / count - (sum / count) ** 2) / count);
          expect(found.difference).toBeCloseTo(sum / each.length, 10);
          expect(found.low).toBeCloseTo(Math.min(found.difference, Math.max(-1, sum / count - half)), 6);
          expect(found.high).toBeCloseTo(Math.max(found.difference, Math.min(1, sum / count + half)), 6);
        },
      ),
    );
  });

  it("is Agresti and Min's for two models", () => {
    // 2 x 2 table: both right 30, only the member 12, only the point 4, none 14; half a sample added to each cell.
    const cells: readonly [number, boolean, boolean][] = [
      [30, true, true],
      [12, true, false],
      [4, false, true],
      [14, false, false],
    ];
    const member = cells.flatMap(([count, isRight]) => Array.from({ length: count }, () => isRight));
    const point = cells.flatMap(([count, , isRight]) => Array.from({ length: count }, () => isRight));
    const [only, other, total] = [12.5, 4.5, 62];
    const half = (1.959964 * Math.sqrt(only + other - (only - other) ** 2 / total)) / total;
    const found = difference(point, [1], [member]);
    expect(found.difference).toBeCloseTo(8 / 60, 12);
    expect(found.low).toBeCloseTo((only - other) / total - half, 6);
    expect(found.high).toBeCloseTo((only - other) / total + half, 6);
  });

  it("is far narrower than the unpaired one where two models err on the same samples", () => {
    const member = Array.from({ length: 1000 }, (_, index) => index % 10 !== 0);
    const point = member.map((isRight, index) => isRight && index % 100 !== 1);
    const paired = difference(point, [1], [member]);
    const unpaired = unpairedDifference({ correct: 900, count: 1000 }, { correct: 890, count: 1000 });
    expect(paired.difference).toBeCloseTo(unpaired.difference, 12);
    expect(paired.low).toBeGreaterThan(0);
    expect(unpaired.low).toBeLessThan(0);
    expect(paired.high - paired.low).toBeLessThan((unpaired.high - unpaired.low) / 3);
  });

  it("holds the true difference in about 95 of 100 draws", () => {
    const random = new RandomStream(3n, "coverage");
    let held = 0;
    const draws = 2000;
    // The members are right on 90 and 80 per cent, the point on 70, all of it where the second member is right.
    for (let draw = 0; draw < draws; draw++) {
      const samples = Array.from({ length: 120 }, () => random.uniform());
      const members = [samples.map((value) => value < 0.9), samples.map((value) => value < 0.8)];
      const point = samples.map((value) => value >= 0.1 && value < 0.8);
      const { low, high } = difference(point, [0.5, 0.5], members);
      if (low <= 0.15 && 0.15 <= high) held++;
    }
    expect(held / draws).toBeGreaterThan(0.93);
    expect(held / draws).toBeLessThan(0.98);
  });

  it("needs the joint counts", () => {
    const alone = sumsOf([true, false], []);
    expect(() => pairedDifference(alone, [1], [alone])).toThrow(RangeError);
  });
});
