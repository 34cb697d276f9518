import type { SoupDecision } from "../../api/soup-trace.ts";
import type { CheckpointId } from "../../identity.ts";

/** How the inputs of a soup are chosen. */
export type SoupKind = "uniform" | "greedy" | "learned";

/** A checkpoint that may go into a soup. */
export interface SoupCandidate {
  readonly id: CheckpointId;
  /** Equal where two can be averaged, such as a digest of the tensors' names, dtypes and shapes. */
  readonly form: string;
}

/** How good a model is on the held-out data. */
export interface SoupMeasure {
  /** A fraction; null of a regression, where the loss decides. */
  readonly accuracy: number | null;
  /** Mean cross-entropy in nats, or mean squared error. */
  readonly loss: number;
}

/** What a candidate counts in a mixture: above 0, and all of a mixture sum to 1. */
export interface SoupShare {
  readonly candidate: CheckpointId;
  readonly weight: number;
}

/**
 * Measures the weighted mean of some candidates. Must be a function of the shares alone: a search that is begun again
 * asks the same questions in the same order, so answers that are kept need not be found again.
 * @param shares sorted by candidate
 * @throws Problem of status 422 for a mixture that cannot be evaluated, such as `non-finite-values`: it is left out. All
 *   else, also `too-large-for-isolate`, ends the search.
 */
export type EvaluateMixture = (shares: readonly SoupShare[]) => Promise<SoupMeasure>;

/** What a search came to. */
export interface SoupOutcome {
  readonly kind: SoupKind;
  /** Sorted by candidate. */
  readonly shares: readonly SoupShare[];
  readonly measure: SoupMeasure;
  /** Every decision, in the order in which they were made. */
  readonly trace: readonly SoupDecision[];
}

/** Whether a measure is strictly better as a soup counts it: more accurate; of regressions, less loss. */
export function isStrictlyBetter(a: SoupMeasure, b: SoupMeasure): boolean {
  return a.accuracy === null || b.accuracy === null ? a.loss < b.loss : a.accuracy > b.accuracy;
}

/** Order of measures, best first: accuracy, then loss. */
export function compareMeasures(a: SoupMeasure, b: SoupMeasure): number {
  return (b.accuracy ?? 0) - (a.accuracy ?? 0) || a.loss - b.loss;
}

/** The plain mean of some candidates. */
export function equalShares(members: readonly CheckpointId[]): readonly SoupShare[] {
  return sortedShares(members.map((candidate) => ({ candidate, weight: 1 / members.length })));
}

/** In the order in which a recipe has its inputs, so that a mixture is one question however it came about. */
export function sortedShares(shares: readonly SoupShare[]): readonly SoupShare[] {
  return shares.toSorted((a, b) => (a.candidate < b.candidate ? -1 : 1));
}
