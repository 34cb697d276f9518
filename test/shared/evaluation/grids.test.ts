import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alphaGrid, type Grid, matrixGrid, meanGrid, pathGrid, planeGrid } from "../../../shared/evaluation/grids.ts";

const anyGrid: fc.Arbitrary<Grid> = fc.oneof(
  fc.integer({ min: 2, max: 30 }).map((points) => pathGrid(alphaGrid(points))),
  fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 3 })).map(([k, inner]) => meanGrid(k, inner)),
  fc.tuple(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 1, max: 4 })).map(([k, inner]) => matrixGrid(k, inner)),
  fc
    .tuple(fc.integer({ min: 2, max: 20 }), fc.double({ min: 0, max: 2, noNaN: true }))
    .map(([resolution, margin]) => planeGrid(resolution, margin)),
);

describe("every grid", () => {
  it("has points whose coefficients sum to 1, and each member exactly once", () => {
    fc.assert(
      fc.property(anyGrid, ({ points, endpoints, members }) => {
        for (const point of points) {
          expect(point).toHaveLength(endpoints);
          expect(Math.abs(point.reduce((sum, coefficient) => sum + coefficient, 0) - 1)).toBeLessThan(1e-12);
        }
        const oneHot = Array.from({ length: endpoints }, (_, k) => points.indexOf(points[members[k] ?? -1] ?? []));
        expect(oneHot).toEqual(members);
        for (const [k, member] of members.entries()) {
          expect(points[member]).toEqual(Array.from({ length: endpoints }, (_, index) => (index === k ? 1 : 0)));
        }
        const exact = points.filter((point) => point.filter((coefficient) => coefficient !== 0).length === 1);
        expect(exact).toHaveLength(endpoints);
      }),
    );
  });
});

describe("a path", () => {
  it("is (1 - alpha) a + alpha b at any alphas that ascend from 0 to 1", () => {
    expect(pathGrid([0, 0.25, 1])).toEqual({
      kind: "path",
      endpoints: 2,
      alphas: [0, 0.25, 1],
      points: [
        [1, 0],
        [0.75, 0.25],
        [0, 1],
      ],
      members: [0, 2],
    });
  });

  it.each([[[]], [[0]], [[0, 0.5]], [[0.1, 1]], [[0, 0.5, 0.5, 1]], [[0, 0.7, 0.3, 1]], [[0, Number.NaN, 1]]])(
    "is not %j",
    (alphas) => {
      expect(() => pathGrid(alphas)).toThrow(RangeError);
    },
  );
});

describe("a mean", () => {
  it("has the members, their mean, and points between each two if wanted", () => {
    expect(meanGrid(2)).toMatchObject({
      points: [
        [1, 0],
        [0, 1],
        [0.5, 0.5],
      ],
      mean: 2,
      pairs: [],
    });
    const grid = meanGrid(3, 1);
    expect(grid.points.slice(3)).toEqual([
      [1 / 3, 1 / 3, 1 / 3],
      [0.5, 0.5, 0],
      [0.5, 0, 0.5],
      [0, 0.5, 0.5],
    ]);
    expect(grid.pairs).toEqual([
      { a: 0, b: 1, alphas: [0, 0.5, 1], points: [0, 4, 1] },
      { a: 0, b: 2, alphas: [0, 0.5, 1], points: [0, 5, 2] },
      { a: 1, b: 2, alphas: [0, 0.5, 1], points: [1, 6, 2] },
    ]);
    expect(meanGrid(1)).toMatchObject({ points: [[1]], members: [0], mean: 0 });
    expect(() => meanGrid(0)).toThrow(RangeError);
    expect(() => meanGrid(2, 0.5)).toThrow(RangeError);
  });
});

describe("a matrix", () => {
  it("has every pair once, each with a path of its own", () => {
    const grid = matrixGrid(5, 3);
    expect(grid.pairs).toHaveLength(10);
    expect(grid.points).toHaveLength(5 + 10 * 3);
    for (const { a, b, alphas, points } of grid.pairs) {
      expect(a).toBeLessThan(b);
      expect(alphas).toEqual([0, 0.25, 0.5, 0.75, 1]);
      for (const [place, index] of points.entries()) {
        const alpha = alphas[place] ?? Number.NaN;
        expect(grid.points[index]?.[a]).toBe(1 - alpha);
        expect(grid.points[index]?.[b]).toBe(alpha);
      }
    }
    expect(() => matrixGrid(1)).toThrow(RangeError);
    expect(() => matrixGrid(2, 0)).toThrow(RangeError);
  });
});

describe("a plane", () => {
  it("is a + u (b - a) + v (c - a), from the margin below to the margin beyond", () => {
    const grid = planeGrid(5, 0.5);
    expect(grid.u).toEqual([-0.5, 0, 0.5, 1, 1.5]);
    for (const [row, cells] of grid.cells.entries()) {
      for (const [column, index] of cells.entries()) {
        const [u, v] = [grid.u[column] ?? Number.NaN, grid.v[row] ?? Number.NaN];
        const point = grid.points[index] ?? [];
        expect(point[0]).toBeCloseTo(1 - u - v, 12);
        expect(point.slice(1)).toEqual([u, v]);
      }
    }
    expect([grid.cells[1]?.[1], grid.cells[1]?.[3], grid.cells[3]?.[1]]).toEqual([0, 1, 2]);
    expect(grid.points).toHaveLength(25);
  });

  it("has its models also where no cell meets them", () => {
    expect(planeGrid(2, 0.25).points).toHaveLength(3 + 4);
    expect(planeGrid(11, 0.25).points).toHaveLength(3 + 121);
    expect(planeGrid(2, 0).points).toHaveLength(4);
  });

  it.each([
    [1, 0],
    [2.5, 0],
    [3, -0.1],
    [3, Number.NaN],
    [3, Infinity],
  ])("is not %d wide with a margin of %d", (resolution, margin) => {
    expect(() => planeGrid(resolution, margin)).toThrow(RangeError);
  });
});
