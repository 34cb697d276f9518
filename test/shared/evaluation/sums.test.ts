import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addSums,
  classAccuracies,
  type ClassificationSums,
  type EvaluationSums,
  meansOf,
  mergeShards,
} from "../../../shared/evaluation/sums.ts";

const classification = (change: Partial<ClassificationSums> = {}): ClassificationSums => ({
  task: "classification",
  lossSum: 6,
  correct: 3,
  count: 4,
  classes: [
    { correct: 1, count: 2 },
    { correct: 2, count: 2 },
    { correct: 0, count: 0 },
  ],
  correctWith: [3, 1],
  ...change,
});
const regression = (squaredErrorSum: number, count: number): EvaluationSums => ({
  task: "regression",
  squaredErrorSum,
  count,
});

const anySums: fc.Arbitrary<ClassificationSums> = fc
  .array(fc.record({ correct: fc.nat(50), wrong: fc.nat(50) }), { minLength: 3, maxLength: 3 })
  .chain((classes) => {
    const correct = classes.reduce((sum, one) => sum + one.correct, 0);
    return fc.record({
      task: fc.constant("classification" as const),
      lossSum: fc.integer({ min: 0, max: 1000 }),
      correct: fc.constant(correct),
      count: fc.constant(correct + classes.reduce((sum, one) => sum + one.wrong, 0)),
      classes: fc.constant(classes.map((one) => ({ correct: one.correct, count: one.correct + one.wrong }))),
      correctWith: fc.array(fc.nat(correct), { minLength: 2, maxLength: 2 }),
    });
  });

describe("sums of an evaluation", () => {
  it("have means", () => {
    expect(meansOf(classification())).toEqual({ loss: 1.5, accuracy: 0.75 });
    expect(meansOf(regression(6, 4))).toEqual({ loss: 1.5, accuracy: null });
    expect(classAccuracies(classification())).toEqual([0.5, 1, null]);
  });

  it("add up, entry by entry", () => {
    expect(addSums(classification(), classification({ lossSum: 1, correctWith: [1, 0] }))).toEqual({
      task: "classification",
      lossSum: 7,
      correct: 6,
      count: 8,
      classes: [
        { correct: 2, count: 4 },
        { correct: 4, count: 4 },
        { correct: 0, count: 0 },
      ],
      correctWith: [4, 1],
    });
    expect(addSums(regression(1, 2), regression(3, 5))).toEqual(regression(4, 7));
  });

  it("add up to the same however they are grouped, and through JSON", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anySums, anySums), { minLength: 2, maxLength: 6 }), fc.nat(), (shards, cut) => {
        const at = 1 + (cut % (shards.length - 1));
        const whole = mergeShards(shards);
        const parts = [mergeShards(shards.slice(0, at)), mergeShards(shards.slice(at))];
        expect(mergeShards(JSON.parse(JSON.stringify(parts)) as ClassificationSums[][])).toEqual(whole);
      }),
    );
  });

  it("do not add up where they do not belong together", () => {
    const mixed = expect.objectContaining({ code: "incompatible-dataset" }) as Error;
    expect(() => addSums<EvaluationSums>(classification(), regression(1, 1))).toThrow(mixed);
    expect(() => addSums<EvaluationSums>(regression(1, 1), classification())).toThrow(mixed);
    expect(() => addSums(classification(), classification({ classes: [] }))).toThrow(RangeError);
    expect(() => addSums(classification(), classification({ correctWith: [] }))).toThrow(RangeError);
    expect(() => mergeShards([])).toThrow(RangeError);
    expect(() => mergeShards([[regression(1, 1), regression(2, 1)], [regression(1, 1)]])).toThrow(RangeError);
  });
});
