import { describe, expect, it } from "vitest";
import { barrierOfPath } from "../../../shared/evaluation/barrier.ts";
import { type Grid, matrixGrid, meanGrid, pathGrid, planeGrid } from "../../../shared/evaluation/grids.ts";
import { reportGrid, reportMatrix, reportMean, reportPath, reportPlane } from "../../../shared/evaluation/reports.ts";
import type { ClassificationSums, RegressionSums } from "../../../shared/evaluation/sums.ts";

/** Sums of models that are right on the first so many of 100 samples, two classes in turn. */
function nested(grid: Grid, correct: readonly number[], losses: readonly number[]): ClassificationSums[] {
  const rightOf = (own: number, label: number) => Math.floor((own + 1 - label) / 2);
  return grid.points.map((_, index) => {
    const own = correct[index] ?? 0;
    return {
      task: "classification",
      lossSum: 100 * (losses[index] ?? 0),
      correct: own,
      count: 100,
      classes: [0, 1].map((label) => ({ correct: rightOf(own, label), count: 50 })),
      correctWith: grid.members.map((member) => Math.min(own, correct[member] ?? 0)),
    };
  });
}

const regressions = (grid: Grid, losses: readonly number[]): RegressionSums[] =>
  grid.points.map((_, index) => ({ task: "regression", squaredErrorSum: 10 * (losses[index] ?? 0), count: 10 }));

describe("the report of a path", () => {
  const grid = pathGrid([0, 0.25, 0.5, 1]);

  it("has loss, accuracy, classes and gap at every point, and the barrier with its interval", () => {
    const report = reportPath(grid, nested(grid, [90, 60, 70, 80], [0.25, 1, 0.75, 0.5]));
    expect(report).toMatchObject({
      task: "classification",
      samples: 100,
      classCounts: [50, 50],
      lossBarrierAlpha: 0.25,
      accuracyBarrierAlpha: 0.25,
    });
    expect(report.points[1]).toMatchObject({ alpha: 0.25, loss: 1, accuracy: 0.6, classes: [0.6, 0.6] });
    expect(report.points[1]?.accuracyGap?.difference).toBeCloseTo(0.275, 12);
    expect(report.points[0]?.accuracyGap).toEqual({ difference: 0, low: 0, high: 0 });
    expect(report.lossBarrier).toBeCloseTo(0.6875, 12);
    expect(report.accuracyBarrier).toBeCloseTo(0.275, 12);
    expect(report.accuracyBarrierNormalized).toBeCloseTo(0.275 / 0.875, 12);
    const { difference, low, high } = report.accuracyGap ?? { difference: 0, low: 0, high: 0 };
    expect(difference).toBe(report.accuracyBarrier);
    // About 30 samples of 100 differ.
    expect(high - low).toBeGreaterThan(0.1);
    expect(high - low).toBeLessThan(0.2);
    expect(report).toMatchObject(barrierOfPath(report.points));
    expect(report.variants.maxOverPath.loss).toBeCloseTo(0.5, 12);
  });

  it("has a gap below 0 where the path is better than the line, and no barrier", () => {
    const report = reportPath(grid, nested(grid, [80, 85, 90, 80], [1, 0.5, 0.5, 1]));
    expect(report.accuracyBarrier).toBe(0);
    expect(report.accuracyGap?.difference).toBeCloseTo(-0.05, 12);
  });

  it("has nothing between where nothing is between", () => {
    const ends = pathGrid([0, 1]);
    expect(reportPath(ends, nested(ends, [80, 85], [1, 1])).accuracyGap).toEqual({ difference: 0, low: 0, high: 0 });
  });

  it("says of a regression what there is to say", () => {
    const report = reportPath(grid, regressions(grid, [1, 2, 3, 1]));
    expect(report).toMatchObject({
      task: "regression",
      samples: 10,
      lossBarrier: 2,
      lossBarrierAlpha: 0.5,
      accuracyBarrier: null,
      accuracyGap: null,
      variants: { midpoint: { loss: 2, accuracy: null } },
    });
    expect(report).not.toHaveProperty("classCounts");
    expect(report.points[1]).toEqual({ alpha: 0.25, loss: 2, accuracy: null, accuracyGap: null });
  });

  it("is JSON as it is", () => {
    for (const sums of [nested(grid, [80, 85, 90, 80], [1, 0.5, 0.5, 1]), regressions(grid, [1, 2, 3, 1])]) {
      const report = reportPath(grid, sums);
      expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    }
  });

  it("needs sums of every point, of one task", () => {
    const sums = nested(grid, [80, 85, 90, 80], [1, 1, 1, 1]);
    expect(() => reportPath(grid, sums.slice(1))).toThrow(RangeError);
    expect(() => reportPath(grid, [...sums.slice(0, 3), ...regressions(grid, [1]).slice(3)])).toThrow(RangeError);
  });
});

describe("the report of a mean", () => {
  it("compares the mean model with the mean of the models", () => {
    const grid = meanGrid(3);
    const report = reportMean(grid, nested(grid, [90, 80, 70, 60], [1, 2, 3, 5]));
    expect(report.members.map(({ accuracy }) => accuracy)).toEqual([0.9, 0.8, 0.7]);
    expect(report.mean).toEqual({ loss: 5, accuracy: 0.6, classes: [0.6, 0.6] });
    expect(report.lossBarrier).toBeCloseTo(3, 12);
    expect(report.accuracyBarrier).toBeCloseTo(0.2, 12);
    expect(report.accuracyBarrierNormalized).toBeCloseTo(0.25, 12);
    expect(report.accuracyGap?.difference).toBeCloseTo(0.2, 12);
    expect(report.accuracyGap?.low).toBeGreaterThan(0.1);
    expect(report).not.toHaveProperty("pairs");
  });

  it("has the pairs where the grid has them, each as a path of its own", () => {
    const grid = meanGrid(3, 1);
    const sums = nested(grid, [90, 80, 70, 60, 50, 80, 75], [1, 2, 3, 5, 4, 2, 2.5]);
    const { pairs } = reportMean(grid, sums);
    expect(pairs?.map(({ a, b }) => [a, b])).toEqual([
      [0, 1],
      [0, 2],
      [1, 2],
    ]);
    expect(pairs?.[0]?.accuracyBarrier).toBeCloseTo(0.35, 12);
    expect(pairs?.[0]?.accuracyGap?.difference).toBeCloseTo(0.35, 12);
    expect(pairs?.[0]?.lossBarrier).toBeCloseTo(2.5, 12);
    expect(pairs?.[2]).toMatchObject({ lossBarrier: 0, accuracyBarrier: 0 });
    expect(pairs?.[2]?.points.map(({ alpha, accuracy }) => [alpha, accuracy])).toEqual([
      [0, 0.8],
      [0.5, 0.75],
      [1, 0.7],
    ]);
  });

  it("of one model, or of models that are always wrong, has no barrier", () => {
    const one = meanGrid(1);
    expect(reportMean(one, nested(one, [90], [1]))).toMatchObject({
      lossBarrier: 0,
      accuracyBarrier: 0,
      accuracyGap: { difference: 0, low: 0, high: 0 },
    });
    const two = meanGrid(2);
    expect(reportMean(two, nested(two, [0, 0, 0], [1, 1, 1])).accuracyBarrierNormalized).toBe(0);
    expect(reportMean(two, regressions(two, [1, 3, 5]))).toMatchObject({
      lossBarrier: 3,
      accuracyBarrier: null,
      accuracyBarrierNormalized: null,
      accuracyGap: null,
    });
  });
});

describe("the report of a matrix", () => {
  it("is symmetric, with the barrier of each pair", () => {
    const grid = matrixGrid(3);
    const report = reportMatrix(grid, nested(grid, [80, 80, 80, 70, 80, 20], [1, 1, 1, 2, 1, 4]));
    expect(report.lossBarriers).toEqual([
      [0, 1, 0],
      [1, 0, 3],
      [0, 3, 0],
    ]);
    expect(report.accuracyBarriers?.map((row) => row.map((value) => Math.round(100 * value)))).toEqual([
      [0, 10, 0],
      [10, 0, 60],
      [0, 60, 0],
    ]);
    expect(report.members).toHaveLength(3);
    expect(reportMatrix(grid, regressions(grid, [1, 1, 1, 2, 1, 4])).accuracyBarriers).toBeNull();
  });
});

describe("the report of a plane", () => {
  it("has each cell in its row and column, and the models", () => {
    const grid = planeGrid(3, 0);
    // Points: a, b, c, then the cells that are no model: (1/2, 0), (0, 1/2), (1/2, 1/2), (1, 1/2), (1/2, 1), (1, 1).
    const sums = nested(grid, [90, 80, 70, 10, 20, 30, 40, 50, 60], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const report = reportPlane(grid, sums);
    expect(report).toMatchObject({ u: [0, 0.5, 1], v: [0, 0.5, 1], samples: 100 });
    expect(report.loss).toEqual([
      [1, 4, 2],
      [5, 6, 7],
      [3, 8, 9],
    ]);
    expect(report.accuracy).toEqual([
      [0.9, 0.1, 0.8],
      [0.2, 0.3, 0.4],
      [0.7, 0.5, 0.6],
    ]);
    expect(report.members.map(({ loss }) => loss)).toEqual([1, 2, 3]);
    expect(reportPlane(grid, regressions(grid, [1])).accuracy).toBeNull();
  });
});

describe("reportGrid", () => {
  it("reports each grid by its kind", () => {
    for (const grid of [pathGrid([0, 1]), meanGrid(2), matrixGrid(2), planeGrid(2, 0)]) {
      const report = reportGrid(grid, nested(grid, [90, 80, 70, 60], [1, 2, 3, 4]));
      expect(report).toMatchObject({ kind: grid.kind, task: "classification", samples: 100 });
    }
  });
});
