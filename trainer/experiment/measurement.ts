import { type Barrier, barrierOfMean, type PathPoint } from "../../shared/evaluation/barrier.ts";

/** Loss in nats and accuracy as a fraction, on the validation split. */
export type Quality = Pick<PathPoint, "loss" | "accuracy">;

/** The barrier between two members. */
export interface MeasuredPath extends Barrier {
  readonly points: readonly PathPoint[];
  readonly samples: number;
}

/** What was found of one family. */
export interface Measurement {
  /** Which repetition of its condition, from 1. */
  readonly repetition: number;
  /** Seed of the initial weights, in decimal: 64 bits do not fit a JSON number. */
  readonly seed: string;
  /** Families given up before this one because a member diverged. */
  readonly diverged: number;
  readonly members: readonly Quality[];
  /** The straight path between the first two members. */
  readonly path: MeasuredPath;
  /** The plain average of the first 2, 3, … members. */
  readonly means: readonly (Quality & { readonly models: number })[];
}

/** Accuracy at the middle of the path between the first two members. */
export function midpoint({ path }: Measurement): number {
  const middle = path.points.find(({ alpha }) => alpha === 0.5);
  if (middle === undefined) throw new RangeError("the path has no middle");
  return middle.accuracy;
}

/** The barrier of the average of the first `models` members, and that average's accuracy. */
export function meanOf(
  { members, means }: Measurement,
  models: number,
): { accuracy: number; lossBarrier: number; accuracyBarrier: number } {
  const mean = means.find((candidate) => candidate.models === models);
  if (mean === undefined) throw new RangeError(`the average of ${models} models was not measured`);
  return { accuracy: mean.accuracy, ...barrierOfMean(members.slice(0, models), mean) };
}
