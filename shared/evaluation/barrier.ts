/**
 * Barriers between models. Definitions: Frankle et al. (arXiv:1912.05671) and Entezari et al. (arXiv:2110.06296), with
 * the straight line between the endpoints as the reference, so that two models of unequal quality on one valley floor
 * have a barrier of zero.
 *
 * A regression has a loss only: what is said of accuracy is null there.
 */

/** Loss and accuracy of one model. */
export interface Quality<Accuracy extends number | null = number> {
  /** Mean cross-entropy over all samples, in nats; of a regression, the mean squared error. */
  readonly loss: number;
  /** Share of samples predicted right, a fraction. */
  readonly accuracy: Accuracy;
}

/** One point of the straight path w(alpha) = (1 - alpha) a + alpha b. */
export interface PathPoint<Accuracy extends number | null = number> extends Quality<Accuracy> {
  readonly alpha: number;
}

export interface Barrier<Accuracy extends number | null = number> {
  /** max over alpha of L(alpha) - [(1 - alpha) L(0) + alpha L(1)], in nats, not normalised. At least 0. */
  readonly lossBarrier: number;
  readonly lossBarrierAlpha: number;
  /** Largest gap of the accuracy below the straight line, as a fraction (0.05 = 5 points). At least 0. */
  readonly accuracyBarrier: Accuracy;
  /** The same gap divided by the straight line's value there: 1 means total collapse. */
  readonly accuracyBarrierNormalized: Accuracy;
  readonly accuracyBarrierAlpha: Accuracy;
}

/** A barrier by another definition: how much larger the loss, and how much lower the accuracy, than its reference. */
export interface BarrierVariant<Accuracy extends number | null = number> {
  readonly loss: number;
  readonly accuracy: Accuracy;
}

/** The definitions of other work, so that its numbers can be compared. Only the straight line's is 0 on a slope. */
export interface BarrierVariants<Accuracy extends number | null = number> {
  /** The worst value on the path against the worse of the two ends: the height of the pass between two valleys. */
  readonly maxOverPath: BarrierVariant<Accuracy>;
  /** At alpha 1/2 against the mean of the ends; REPAIR's tables, Entezari et al.'s code. Absent without that point. */
  readonly midpoint?: BarrierVariant<Accuracy>;
  /**
   * The worst value on the path against the mean of the two ends; the plots of Git Re-Basin (arXiv:2209.04836). Never
   * below half the difference between the ends, since they lie on the path.
   */
  readonly endMean: BarrierVariant<Accuracy>;
}

/** Value of the straight line between a path's endpoints. */
export function straightLine(first: number, last: number, alpha: number): number {
  return (1 - alpha) * first + alpha * last;
}

function endsOf<Point extends { readonly alpha: number }>(points: readonly Point[]): readonly [Point, Point] {
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined || first.alpha !== 0 || last.alpha !== 1) {
    throw new RangeError("a path runs from alpha 0 to alpha 1");
  }
  return [first, last];
}

/**
 * The barrier on a path, against the straight line.
 * @param points at least two, by ascending alpha, the first at 0 and the last at 1; all with an accuracy, or none
 */
export function barrierOfPath(points: readonly PathPoint[]): Barrier;
export function barrierOfPath(points: readonly PathPoint<number | null>[]): Barrier<number | null>;
export function barrierOfPath(points: readonly PathPoint<number | null>[]): Barrier<number | null> {
  const [first, last] = endsOf(points);
  // The endpoints lie on the line, so every maximum starts from 0.
  const loss = { lossBarrier: 0, lossBarrierAlpha: 0 };
  const accuracy = { accuracyBarrier: 0, accuracyBarrierNormalized: 0, accuracyBarrierAlpha: 0 };
  for (const point of points) {
    const { alpha } = point;
    const lossGap = point.loss - straightLine(first.loss, last.loss, alpha);
    if (lossGap > loss.lossBarrier) {
      loss.lossBarrier = lossGap;
      loss.lossBarrierAlpha = alpha;
    }
    if (point.accuracy === null || first.accuracy === null || last.accuracy === null) continue;
    const line = straightLine(first.accuracy, last.accuracy, alpha);
    if (line - point.accuracy > accuracy.accuracyBarrier) {
      accuracy.accuracyBarrier = line - point.accuracy;
      accuracy.accuracyBarrierNormalized = (line - point.accuracy) / line;
      accuracy.accuracyBarrierAlpha = alpha;
    }
  }
  return first.accuracy === null
    ? { ...loss, accuracyBarrier: null, accuracyBarrierNormalized: null, accuracyBarrierAlpha: null }
    : { ...loss, ...accuracy };
}

/** The barrier on a path by other definitions. @param points as for {@link barrierOfPath} */
export function variantsOfPath(points: readonly PathPoint[]): BarrierVariants;
export function variantsOfPath(points: readonly PathPoint<number | null>[]): BarrierVariants<number | null>;
export function variantsOfPath(points: readonly PathPoint<number | null>[]): BarrierVariants<number | null> {
  const [first, last] = endsOf(points);
  const middle = points.find(({ alpha }) => alpha === 0.5);
  const highest = Math.max(...points.map(({ loss }) => loss));
  const accuracies = points.map(({ accuracy }) => accuracy).filter((accuracy) => accuracy !== null);
  const lowest = accuracies.length === 0 ? null : Math.min(...accuracies);
  const gap = (from: number | null, to: number | null) => (from === null || to === null ? null : from - to);
  const between = (of: (a: number, b: number) => number) =>
    first.accuracy === null || last.accuracy === null ? null : of(first.accuracy, last.accuracy);
  const mean = (a: number, b: number) => (a + b) / 2;
  const meanLoss = mean(first.loss, last.loss);
  const meanAccuracy = between(mean);
  return {
    maxOverPath: { loss: highest - Math.max(first.loss, last.loss), accuracy: gap(between(Math.min), lowest) },
    ...(middle === undefined
      ? {}
      : { midpoint: { loss: middle.loss - meanLoss, accuracy: gap(meanAccuracy, middle.accuracy) } }),
    endMean: { loss: highest - meanLoss, accuracy: gap(meanAccuracy, lowest) },
  };
}

/** Barrier of the mean of K models: L(mean) - mean(L), and mean(A) - A(mean). Negative where the mean is better. */
export function barrierOfMean(
  members: readonly Quality[],
  mean: Quality,
): { readonly lossBarrier: number; readonly accuracyBarrier: number };
export function barrierOfMean(
  members: readonly Quality<number | null>[],
  mean: Quality<number | null>,
): { readonly lossBarrier: number; readonly accuracyBarrier: number | null };
export function barrierOfMean(
  members: readonly Quality<number | null>[],
  mean: Quality<number | null>,
): { readonly lossBarrier: number; readonly accuracyBarrier: number | null } {
  if (members.length === 0) throw new RangeError("a mean has at least one member");
  const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const accuracies = members.map(({ accuracy }) => accuracy).filter((accuracy) => accuracy !== null);
  return {
    lossBarrier: mean.loss - average(members.map(({ loss }) => loss)),
    accuracyBarrier: mean.accuracy === null ? null : average(accuracies) - mean.accuracy,
  };
}
