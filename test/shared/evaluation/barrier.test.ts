import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { barrierOfMean, barrierOfPath, type PathPoint, variantsOfPath } from "../../../shared/evaluation/barrier.ts";
import { alphaGrid } from "../../../shared/evaluation/grids.ts";

const path = (losses: number[], accuracies: number[]): PathPoint[] =>
  alphaGrid(losses.length).map((alpha, index) => ({
    alpha,
    loss: losses[index] ?? 0,
    accuracy: accuracies[index] ?? 0,
  }));

describe("barrierOfPath", () => {
  it("measures against the straight line, by hand", () => {
    // Line of the loss at 1/2: (1 + 2) / 2 = 1.5; of the accuracy: (0.9 + 0.7) / 2 = 0.8.
    const barrier = barrierOfPath(path([1, 4, 2], [0.9, 0.2, 0.7]));
    expect(barrier.lossBarrier).toBeCloseTo(2.5, 12);
    expect(barrier.lossBarrierAlpha).toBe(0.5);
    expect(barrier.accuracyBarrier).toBeCloseTo(0.6, 12);
    expect(barrier.accuracyBarrierNormalized).toBeCloseTo(0.75, 12);
  });

  it("is zero on a straight path between unequal models, where endpoint baselines report a false barrier", () => {
    const straight = path([0, 0.25, 0.5, 0.75, 1], [1, 0.875, 0.75, 0.625, 0.5]);
    expect(barrierOfPath(straight)).toMatchObject({ lossBarrier: 0, accuracyBarrier: 0, accuracyBarrierNormalized: 0 });
  });

  it("is zero where the path is better than the line", () => {
    expect(barrierOfPath(path([1, 0.2, 1], [0.5, 0.9, 0.5]))).toMatchObject({ lossBarrier: 0, accuracyBarrier: 0 });
  });

  it("takes the largest gap, not the first or the middle one", () => {
    const barrier = barrierOfPath(path([0, 1, 0.5, 3, 0], [1, 0.9, 0.8, 0.4, 1]));
    expect(barrier).toMatchObject({ lossBarrier: 3, lossBarrierAlpha: 0.75, accuracyBarrierAlpha: 0.75 });
  });

  it("does not depend on which model comes first", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0, max: 9, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })), {
          minLength: 2,
          maxLength: 12,
        }),
        (values) => {
          const there = barrierOfPath(
            path(
              values.map(([loss]) => loss),
              values.map(([, accuracy]) => accuracy),
            ),
          );
          const back = values.toReversed();
          const again = barrierOfPath(
            path(
              back.map(([loss]) => loss),
              back.map(([, accuracy]) => accuracy),
            ),
          );
          expect(again.lossBarrier).toBeCloseTo(there.lossBarrier, 9);
          expect(again.accuracyBarrier).toBeCloseTo(there.accuracyBarrier, 9);
        },
      ),
    );
  });

  it.each([[[]], [[{ alpha: 0, loss: 1, accuracy: 1 }]], [path([1, 1], [1, 1]).toReversed()]])(
    "refuses what is no path",
    (points) => {
      expect(() => barrierOfPath(points)).toThrow(RangeError);
    },
  );
});

describe("variantsOfPath", () => {
  it("has the numbers that other work reports of the same path", () => {
    // The worked example of the survey of merging tools: straight line 0.70, above the ends' mean 0.70, midpoint 0.70,
    // above the worse end 0.60.
    const points = path([0.1, 0.52, 0.9, 0.61, 0.3], [0.9, 0.5, 0.2, 0.4, 0.7]);
    expect(barrierOfPath(points).lossBarrier).toBeCloseTo(0.7, 12);
    const { maxOverPath, midpoint, endMean } = variantsOfPath(points);
    expect(maxOverPath.loss).toBeCloseTo(0.6, 12);
    expect(midpoint?.loss).toBeCloseTo(0.7, 12);
    expect(endMean.loss).toBeCloseTo(0.7, 12);
    expect(maxOverPath.accuracy).toBeCloseTo(0.5, 12);
    expect(midpoint?.accuracy).toBeCloseTo(0.6, 12);
    expect(endMean.accuracy).toBeCloseTo(0.6, 12);
  });

  it("finds a barrier on a slope only where the ends are no line", () => {
    const slope = path([0.1, 0.15, 0.2, 0.25, 0.3], [0.9, 0.8, 0.7, 0.6, 0.5]);
    expect(barrierOfPath(slope).lossBarrier).toBeCloseTo(0, 12);
    const { maxOverPath, midpoint, endMean } = variantsOfPath(slope);
    expect(maxOverPath.loss).toBe(0);
    expect(midpoint?.loss).toBeCloseTo(0, 12);
    expect(endMean.loss).toBeCloseTo(0.1, 12);
    expect(endMean.accuracy).toBeCloseTo(0.2, 12);
  });

  it("has no midpoint without that point, and no accuracy of a regression", () => {
    expect(variantsOfPath(path([1, 2], [1, 1]))).not.toHaveProperty("midpoint");
    const regression = path([1, 3, 1], [0, 0, 0]).map((point) => ({ ...point, accuracy: null }));
    expect(variantsOfPath(regression)).toEqual({
      maxOverPath: { loss: 2, accuracy: null },
      midpoint: { loss: 2, accuracy: null },
      endMean: { loss: 2, accuracy: null },
    });
    expect(barrierOfPath(regression)).toEqual({
      lossBarrier: 2,
      lossBarrierAlpha: 0.5,
      accuracyBarrier: null,
      accuracyBarrierNormalized: null,
      accuracyBarrierAlpha: null,
    });
  });
});

describe("barrierOfMean", () => {
  it("compares the mean model with the mean of the models", () => {
    const members = [
      { loss: 1, accuracy: 0.9 },
      { loss: 2, accuracy: 0.6 },
      { loss: 3, accuracy: 0.6 },
    ];
    const barrier = barrierOfMean(members, { loss: 5, accuracy: 0.5 });
    expect(barrier.lossBarrier).toBeCloseTo(3, 12);
    expect(barrier.accuracyBarrier).toBeCloseTo(0.2, 12);
  });
});

describe("alphaGrid", () => {
  it("runs from 0 to 1 exactly", () => {
    for (const count of [2, 3, 11, 25, 101]) {
      const grid = alphaGrid(count);
      expect([grid.length, grid[0], grid.at(-1)]).toEqual([count, 0, 1]);
    }
    expect(() => alphaGrid(1)).toThrow(RangeError);
  });
});
