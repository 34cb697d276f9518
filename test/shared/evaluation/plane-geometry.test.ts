import { describe, expect, it } from "vitest";
import { planePositions } from "../../../shared/evaluation/plane-geometry.ts";
import type { Weights } from "../../../shared/models/index.ts";

const model = (kernel: number[], statistics: number[]): Weights =>
  new Map([
    ["kernel", { shape: [kernel.length], values: Float32Array.from(kernel) }],
    ["moving_mean", { shape: [statistics.length], values: Float32Array.from(statistics) }],
  ]);

describe("the picture of a plane", () => {
  const a = model([1, 1, 1], [0]);
  const b = model([4, 5, 1], [100]);
  const c = model([1, 1, 3], [0]);
  const statistics = new Set(["moving_mean"]);

  it("has a at the origin, b on the axis, and c at its distances from both", () => {
    expect(planePositions([a, b, c], statistics)).toEqual([
      { x: 0, y: 0 },
      { x: 5, y: 0 },
      { x: 0, y: 2 },
    ]);
    const [, second, third] = planePositions([c, b, a], statistics);
    expect(second.x).toBeCloseTo(Math.sqrt(29), 12);
    expect(Math.hypot(third.x, third.y)).toBeCloseTo(2, 12);
    expect(Math.hypot(third.x - second.x, third.y)).toBeCloseTo(5, 12);
  });

  it("counts every weight that is not left out", () => {
    expect(planePositions([a, b, c])[1].x).toBeCloseTo(Math.hypot(5, 100), 9);
  });

  it("has three models on one line on one line, and equal ones in one place", () => {
    const middle = model([2.5, 3, 1], [0]);
    const [, , third] = planePositions([a, b, middle], statistics);
    expect(third.x).toBeCloseTo(2.5, 12);
    expect(third.y).toBeCloseTo(0, 6);
    expect(planePositions([a, a, c], statistics)).toEqual([
      { x: 0, y: 0 },
      { x: 0, y: 0 },
      { x: 0, y: 2 },
    ]);
  });
});
