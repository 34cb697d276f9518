import { Problem } from "../problem.ts";

/**
 * What an evaluation of one point on some samples comes to: sums and counts, which add up over shards, so that the
 * number of shards never changes a result. Plain JSON, to be kept between the steps of a Workflow.
 */

/** How many labels of one class there are, and how many of them were predicted right. */
export interface ClassSums {
  readonly correct: number;
  readonly count: number;
}

/** Of a classifier. A label is one a sample, or one a token where sequences have a label at every position. */
export interface ClassificationSums {
  readonly task: "classification";
  /** Sum of the cross-entropies, in nats. */
  readonly lossSum: number;
  readonly correct: number;
  /** Labels. */
  readonly count: number;
  /** By class; empty where there are more than {@link MOST_CLASSES_TOLD}. */
  readonly classes: readonly ClassSums[];
  /**
   * For each member of the grid, labels that both this point and that member predicted right. From these counts follows
   * the variance of any difference between points and members, sample by sample: both saw the same samples, so a
   * difference is known far better than from the two accuracies alone. Empty where the point was evaluated by itself.
   */
  readonly correctWith: readonly number[];
}

/** Of a regression. */
export interface RegressionSums {
  readonly task: "regression";
  readonly squaredErrorSum: number;
  /** Target values: samples times values a sample. */
  readonly count: number;
}

export type EvaluationSums = ClassificationSums | RegressionSums;

/** More classes than this, such as a vocabulary, are not told apart: their counts would be larger than their use. */
export const MOST_CLASSES_TOLD = 1000;

/**
 * @throws Problem `incompatible-dataset` where one is a classification and one a regression: of a model whose outputs fit
 *   both, on shards of both kinds. RangeError for sums of different models or grids
 */
export function addSums<Sums extends EvaluationSums>(a: Sums, b: Sums): Sums;
export function addSums(a: EvaluationSums, b: EvaluationSums): EvaluationSums {
  if (a.task === "regression" && b.task === "regression") {
    return { task: a.task, squaredErrorSum: a.squaredErrorSum + b.squaredErrorSum, count: a.count + b.count };
  }
  if (a.task === "regression" || b.task === "regression") {
    throw new Problem(
      "incompatible-dataset",
      "Some shards have classes and others have targets; a probe takes one kind.",
    );
  }
  if (a.classes.length !== b.classes.length || a.correctWith.length !== b.correctWith.length) {
    throw new RangeError("the sums are of different models or grids");
  }
  return {
    task: a.task,
    lossSum: a.lossSum + b.lossSum,
    correct: a.correct + b.correct,
    count: a.count + b.count,
    classes: a.classes.map(({ correct, count }, index) => ({
      correct: correct + (b.classes[index]?.correct ?? 0),
      count: count + (b.classes[index]?.count ?? 0),
    })),
    correctWith: a.correctWith.map((both, member) => both + (b.correctWith[member] ?? 0)),
  };
}

/**
 * Adds up the sums of a grid over shards.
 * @param shards for each shard, in the dataset's order, the sums of every point; at least one shard
 * @returns the sums of every point
 */
export function mergeShards<Sums extends EvaluationSums>(shards: readonly (readonly Sums[])[]): Sums[] {
  const [first, ...rest] = shards;
  if (first === undefined) throw new RangeError("there is no shard to merge");
  return first.map((start, point) =>
    rest.reduce((sum, shard) => {
      const next = shard[point];
      if (next === undefined) throw new RangeError("the shards were not evaluated on one grid");
      return addSums(sum, next);
    }, start),
  );
}

/** Loss of a model over some samples: mean cross-entropy in nats, or mean squared error. */
export interface RegressionMeans {
  readonly loss: number;
  /** A regression has none. */
  readonly accuracy: null;
}

export interface ClassificationMeans {
  readonly loss: number;
  /** A fraction. */
  readonly accuracy: number;
}

/** Mean cross-entropy (nats) and accuracy (fraction), or mean squared error, of sums over at least one label. */
export function meansOf(sums: ClassificationSums): ClassificationMeans;
export function meansOf(sums: EvaluationSums): ClassificationMeans | RegressionMeans;
export function meansOf(sums: EvaluationSums): ClassificationMeans | RegressionMeans {
  switch (sums.task) {
    case "classification":
      return { loss: sums.lossSum / sums.count, accuracy: sums.correct / sums.count };
    case "regression":
      return { loss: sums.squaredErrorSum / sums.count, accuracy: null };
  }
}

/** Accuracy of each class as a fraction; null for a class that no sample has. Empty where classes are not told apart. */
export function classAccuracies({ classes }: ClassificationSums): (number | null)[] {
  return classes.map(({ correct, count }) => (count === 0 ? null : correct / count));
}
