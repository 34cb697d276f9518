/**
 * Barriers between models. Definitions: Frankle et al. (arXiv:1912.05671) and Entezari et al. (arXiv:2110.06296), with
 * the straight line between the endpoints as the reference, so that two models of unequal quality on one valley floor
 * have a barrier of zero.
 */

/** One point of the straight path w(alpha) = (1 - alpha) a + alpha b. */
export interface PathPoint {
  readonly alpha: number;
  /** Mean cross-entropy over all samples, in nats. */
  readonly loss: number;
  /** Share of samples predicted right, a fraction. */
  readonly accuracy: number;
}

export interface Barrier {
  /** max over alpha of L(alpha) - [(1 - alpha) L(0) + alpha L(1)], in nats, not normalised. At least 0. */
  readonly lossBarrier: number;
  readonly lossBarrierAlpha: number;
  /** Largest gap of the accuracy below the straight line, as a fraction (0.05 = 5 points). At least 0. */
  readonly accuracyBarrier: number;
  /** The same gap divided by the straight line's value there: 1 means total collapse. */
  readonly accuracyBarrierNormalized: number;
  readonly accuracyBarrierAlpha: number;
}

/** Value of the straight line between a path's endpoints. */
export function straightLine(first: number, last: number, alpha: number): number {
  return (1 - alpha) * first + alpha * last;
}

/**
 * The barrier on a path.
 * @param points at least two, by ascending alpha, the first at 0 and the last at 1
 */
export function barrierOfPath(points: readonly PathPoint[]): Barrier {
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined || first.alpha !== 0 || last.alpha !== 1) {
    throw new RangeError("a path runs from alpha 0 to alpha 1");
  }
  // The endpoints lie on the line, so every maximum starts from 0.
  const barrier = {
    lossBarrier: 0,
    lossBarrierAlpha: 0,
    accuracyBarrier: 0,
    accuracyBarrierNormalized: 0,
    accuracyBarrierAlpha: 0,
  };
  for (const { alpha, loss, accuracy } of points) {
    const lossGap = loss - straightLine(first.loss, last.loss, alpha);
    if (lossGap > barrier.lossBarrier) {
      barrier.lossBarrier = lossGap;
      barrier.lossBarrierAlpha = alpha;
    }
    const line = straightLine(first.accuracy, last.accuracy, alpha);
    if (line - accuracy > barrier.accuracyBarrier) {
      barrier.accuracyBarrier = line - accuracy;
      barrier.accuracyBarrierNormalized = (line - accuracy) / line;
      barrier.accuracyBarrierAlpha = alpha;
    }
  }
  return barrier;
}

/** Barrier of the mean of K models: L(mean) - mean(L), and mean(A) - A(mean). Negative where the mean is better. */
export function barrierOfMean(
  members: readonly Pick<PathPoint, "loss" | "accuracy">[],
  mean: Pick<PathPoint, "loss" | "accuracy">,
): { lossBarrier: number; accuracyBarrier: number } {
  if (members.length === 0) throw new RangeError("a mean has at least one member");
  const average = (of: "loss" | "accuracy") => members.reduce((sum, member) => sum + member[of], 0) / members.length;
  return { lossBarrier: mean.loss - average("loss"), accuracyBarrier: average("accuracy") - mean.accuracy };
}

/** `count` equally spaced values from 0 to 1, both included. */
export function alphaGrid(count: number): number[] {
  if (!Number.isInteger(count) || count < 2) throw new RangeError("a grid has at least two points");
  return Array.from({ length: count }, (_, index) => index / (count - 1));
}
