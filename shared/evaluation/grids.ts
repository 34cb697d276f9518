/**
 * Where a probe looks: points in weight space, given by coefficients over K endpoints. A point is the affine combination
 * w = sum of c_k w_k with coefficients that sum to 1. The members, the endpoints themselves, are points of every grid,
 * since every barrier is measured against them.
 */

/** One coefficient for each endpoint; they sum to 1. */
export type Coefficients = readonly number[];

interface AnyGrid {
  /** K, the number of endpoints. */
  readonly endpoints: number;
  /** In the order of evaluation. */
  readonly points: readonly Coefficients[];
  /** For each endpoint, the index of the point that is this endpoint. */
  readonly members: readonly number[];
}

/** The straight line w(alpha) = (1 - alpha) a + alpha b. */
export interface PathGrid extends AnyGrid {
  readonly kind: "path";
  /** Ascending, from 0 to 1; as many as points. */
  readonly alphas: readonly number[];
}

/** Points between two of the endpoints. */
export interface GridPair {
  /** Index of an endpoint. */
  readonly a: number;
  /** Index of an endpoint, larger than `a`. */
  readonly b: number;
  /** Ascending, from 0 (`a`) to 1 (`b`). */
  readonly alphas: readonly number[];
  /** Indices into the grid's points, one for each alpha. */
  readonly points: readonly number[];
}

/** K members and their mean and, if wanted, points between each two. */
export interface MeanGrid extends AnyGrid {
  readonly kind: "mean";
  /** Index of the point that is the mean. */
  readonly mean: number;
  /** By `a`, then `b`; empty where pairs were not asked for. */
  readonly pairs: readonly GridPair[];
}

/** K members and points between each two. */
export interface MatrixGrid extends AnyGrid {
  readonly kind: "matrix";
  /** By `a`, then `b`. */
  readonly pairs: readonly GridPair[];
}

/**
 * The plane through three models in affine coordinates: w(u, v) = a + u (b - a) + v (c - a), so a is (0, 0), b is (1, 0)
 * and c is (0, 1), whatever the angle between the two directions. Only a picture makes the axes orthonormal
 * (`plane-geometry.ts`).
 */
export interface PlaneGrid extends AnyGrid {
  readonly kind: "plane";
  /** The columns, ascending. */
  readonly u: readonly number[];
  /** The rows, ascending; the same numbers as `u`. */
  readonly v: readonly number[];
  /** Indices into the grid's points, by row (v), then column (u). */
  readonly cells: readonly (readonly number[])[];
}

export type Grid = PathGrid | MeanGrid | MatrixGrid | PlaneGrid;

/** `count` equally spaced values from 0 to 1, both included. */
export function alphaGrid(count: number): number[] {
  if (!Number.isInteger(count) || count < 2) throw new RangeError("a grid has at least two points");
  return Array.from({ length: count }, (_, index) => index / (count - 1));
}

/**
 * The path between two endpoints.
 * @param alphas ascending, the first 0 and the last 1, such as `alphaGrid(11)`
 * @throws RangeError for others
 */
export function pathGrid(alphas: readonly number[]): PathGrid {
  const ascends = alphas.every((alpha, index) => index === 0 || alpha > (alphas[index - 1] ?? Number.NaN));
  if (alphas.length < 2 || alphas[0] !== 0 || alphas.at(-1) !== 1 || !ascends) {
    throw new RangeError("a path runs from alpha 0 to alpha 1");
  }
  return {
    kind: "path",
    endpoints: 2,
    alphas: [...alphas],
    points: alphas.map((alpha) => [1 - alpha, alpha]),
    members: [0, alphas.length - 1],
  };
}

/**
 * K endpoints and their mean.
 * @param endpoints K, at least 1
 * @param inner points between each two, equally spaced: 0 for none, 1 for the midpoint
 */
export function meanGrid(endpoints: number, inner = 0): MeanGrid {
  const members = corners(endpoints);
  // One model is its own mean.
  const mean = endpoints === 1 ? [] : [members.map(() => 1 / endpoints)];
  const { pairs, points } =
    inner === 0 ? { pairs: [], points: [] } : pairPoints(endpoints, inner, endpoints + mean.length);
  return {
    kind: "mean",
    endpoints,
    points: [...members, ...mean, ...points],
    members: members.map((_, index) => index),
    mean: mean.length === 0 ? 0 : endpoints,
    pairs,
  };
}

/**
 * K endpoints and the points between each two of them.
 * @param endpoints K, at least 2
 * @param inner points between two, equally spaced, at least 1; 1 is the midpoint
 */
export function matrixGrid(endpoints: number, inner = 1): MatrixGrid {
  const members = corners(endpoints);
  if (endpoints < 2) throw new RangeError("pairs need two endpoints");
  const { pairs, points } = pairPoints(endpoints, inner, endpoints);
  return {
    kind: "matrix",
    endpoints,
    points: [...members, ...points],
    members: members.map((_, index) => index),
    pairs,
  };
}

/**
 * The plane through three endpoints.
 * @param resolution points along each of the two directions, at least 2
 * @param margin how far the grid goes beyond the models: u and v run from -margin to 1 + margin; at least 0
 */
export function planeGrid(resolution: number, margin: number): PlaneGrid {
  if (!Number.isInteger(resolution) || resolution < 2) throw new RangeError("a plane has at least two points a side");
  if (!(margin >= 0) || !Number.isFinite(margin)) throw new RangeError("a margin is at least 0");
  const axis = Array.from({ length: resolution }, (_, index) =>
    snapped((index / (resolution - 1)) * (1 + 2 * margin) - margin),
  );
  const points: Coefficients[] = corners(3);
  // A cell on a model is that model, and not evaluated twice.
  const cells = axis.map((v) =>
    axis.map((u) => {
      const member = u === 0 && v === 0 ? 0 : u === 1 && v === 0 ? 1 : u === 0 && v === 1 ? 2 : undefined;
      return member ?? points.push([1 - u - v, u, v]) - 1;
    }),
  );
  return { kind: "plane", endpoints: 3, points, members: [0, 1, 2], u: axis, v: axis, cells };
}

/** A coordinate that is a whole number but for rounding is that number, so that a model's cell is exactly the model. */
function snapped(value: number): number {
  const whole = Math.round(value);
  return Math.abs(value - whole) < 1e-12 ? whole + 0 : value;
}

/** The endpoints themselves. */
function corners(endpoints: number): Coefficients[] {
  if (!Number.isInteger(endpoints) || endpoints < 1) throw new RangeError("a grid has at least one endpoint");
  return Array.from({ length: endpoints }, (_, own) =>
    Array.from({ length: endpoints }, (_other, index) => (index === own ? 1 : 0)),
  );
}

/** @param offset index of the first point between two */
function pairPoints(
  endpoints: number,
  inner: number,
  offset: number,
): { pairs: readonly GridPair[]; points: readonly Coefficients[] } {
  if (!Number.isInteger(inner) || inner < 1) throw new RangeError("a pair has at least one point between");
  const alphas = alphaGrid(inner + 2);
  const points: Coefficients[] = [];
  const pairs: GridPair[] = [];
  for (let a = 0; a < endpoints; a++) {
    for (let b = a + 1; b < endpoints; b++) {
      const between = alphas.slice(1, -1).map((alpha) => {
        const place = (index: number) => (index === a ? 1 - alpha : index === b ? alpha : 0);
        return offset + points.push(Array.from({ length: endpoints }, (_, index) => place(index))) - 1;
      });
      pairs.push({ a, b, alphas, points: [a, ...between, b] });
    }
  }
  return { pairs, points };
}
