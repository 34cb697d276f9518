import type { Weights } from "../models/index.ts";

/** A place in the plane through three models, in Euclidean distance of weights. */
export interface PlanePosition {
  readonly x: number;
  readonly y: number;
}

/**
 * Where three models lie in the plane through them: a at the origin, b on the x axis, c above it, with the distances that
 * they have in weight space. A picture of a `PlaneGrid` puts (u, v) at u b + v c; these are the axes of Garipov et al.
 * (arXiv:1802.10026), of whom u is along b - a and the other direction is orthonormalised. Three models on one line have
 * all y at 0.
 * @param endpoints a, b, c
 * @param leaveOut names of weights that are no place in the landscape, such as running statistics
 */
export function planePositions(
  [a, b, c]: readonly [Weights, Weights, Weights],
  leaveOut: ReadonlySet<string> = new Set(),
): [PlanePosition, PlanePosition, PlanePosition] {
  let bb = 0;
  let bc = 0;
  let cc = 0;
  for (const [name, { values }] of a) {
    if (leaveOut.has(name)) continue;
    const toB = b.get(name)?.values ?? [];
    const toC = c.get(name)?.values ?? [];
    for (const [index, origin] of values.entries()) {
      const first = (toB[index] ?? Number.NaN) - origin;
      const second = (toC[index] ?? Number.NaN) - origin;
      bb += first * first;
      bc += first * second;
      cc += second * second;
    }
  }
  const distance = Math.sqrt(bb);
  // Where a and b are one point, any direction will do for the axis.
  const along = distance === 0 ? 0 : bc / distance;
  return [
    { x: 0, y: 0 },
    { x: distance, y: 0 },
    { x: along, y: Math.sqrt(Math.max(0, cc - along * along)) },
  ];
}
