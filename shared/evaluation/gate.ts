import type { GateLimits, GateMeasures } from "../api/gates.ts";

/** How good a model is: accuracy as a fraction, null of a regression; loss in nats or as mean squared error. */
export interface ModelMeasure {
  readonly accuracy: number | null;
  readonly loss: number;
}

/** What a gate looks at. */
export interface GateFacts {
  /** The barrier of the path between two parents; null where there are not two. */
  readonly path: { readonly accuracyBarrier: number | null; readonly lossBarrier: number } | null;
  /** At least one. */
  readonly parents: readonly (ModelMeasure & { readonly id: string })[];
  /** Where the model lies between the parents: what each counts; they sum to 1. */
  readonly shares: readonly number[];
  /** The fused model. */
  readonly model: ModelMeasure;
  readonly samples: number;
}

/**
 * The measures that a gate bounds. The reference is the straight line between the parents, or the mean of K: the sum of
 * share times measure, so that parents of unequal quality make no barrier by themselves.
 *
 * - barrier: what the model lacks to that line; of two parents also what the path between them lacks to it anywhere, if
 *   that is more. Negative where the model is better than the line.
 * - accuracyDrop: what the model lacks to the best parent.
 */
export function gateMeasures({ path, parents, shares, model, samples }: GateFacts): GateMeasures {
  const accuracies = parents.flatMap(({ accuracy }) => (accuracy === null ? [] : [accuracy]));
  const isClassifier = model.accuracy !== null && accuracies.length === parents.length;
  const line = (values: readonly number[]) =>
    values.reduce((sum, value, index) => sum + (shares[index] ?? 0) * value, 0);
  const own = {
    accuracyBarrier: isClassifier ? line(accuracies) - (model.accuracy ?? 0) : null,
    lossBarrier: model.loss - line(parents.map(({ loss }) => loss)),
  };
  return {
    accuracyBarrier: larger(own.accuracyBarrier, path?.accuracyBarrier ?? null),
    lossBarrier: Math.max(own.lossBarrier, path?.lossBarrier ?? own.lossBarrier),
    accuracyDrop: isClassifier ? Math.max(...accuracies) - (model.accuracy ?? 0) : null,
    path: path === null ? null : { accuracyBarrier: path.accuracyBarrier, lossBarrier: path.lossBarrier },
    model: { accuracy: model.accuracy, loss: model.loss, ...own },
    parents: parents.map(({ id, accuracy, loss }) => ({ id, accuracy, loss })),
    samples,
  };
}

function larger(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.max(a, b);
}

export interface GateVerdict {
  readonly state: "passed" | "refused";
  /** A sentence for each limit that does not hold. */
  readonly reasons: readonly string[];
}

const NAMES = {
  accuracyBarrier: "accuracy barrier",
  lossBarrier: "loss barrier",
  accuracyDrop: "accuracy drop",
} as const satisfies Record<keyof GateLimits, string>;

/** Accuracies are quotients of counts: what differs by less is rounding, not a sample. */
const ROUNDING = 1e-12;

/** Whether measures are within limits. What cannot be measured, such as the accuracy of a regression, holds no limit. */
export function judgeGate(measured: Pick<GateMeasures, keyof GateLimits>, limits: GateLimits): GateVerdict {
  const reasons = (Object.keys(NAMES) as (keyof GateLimits)[]).flatMap((name) => {
    const [limit, value] = [limits[name], measured[name]];
    if (limit === undefined) return [];
    if (value === null) return [`The ${NAMES[name]} is limited, but there is no accuracy to measure.`];
    // Written so that NaN does not hold either.
    if (value <= limit.max + ROUNDING) return [];
    return [`The ${NAMES[name]} is ${short(value)}; the gate allows ${short(limit.max)} at most.`];
  });
  return { state: reasons.length === 0 ? "passed" : "refused", reasons };
}

function short(value: number): string {
  return String(Number(value.toPrecision(5)));
}
