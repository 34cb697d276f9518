import type { CheckpointId } from "../identity.ts";
import type { FusionPlan } from "./plan.ts";

/** Where frozen entries first differed: an element of a tensor, in the input that departs from the first. */
export interface FirstMismatch {
  readonly tensor: string;
  readonly index: number;
  readonly input: CheckpointId;
}

/**
 * What streaming a range of a fusion found. Plain JSON, so that a workflow step can return it; parts of one file are
 * put together with {@link mergeObservations}. An element that a range boundary cuts counts to the range of its first
 * byte.
 */
export interface FusionObservations {
  elements: number;
  /** Elements that are NaN or infinite, by input in the recipe's order. */
  nonFinite: number[];
  /** Results that became infinite though all inputs were finite. */
  overflows: number;
  frozenElements: number;
  /** Frozen entries that are not bit-equal to the first input's, counted for each input. */
  mismatches: number;
  firstMismatch: FirstMismatch | null;
}

export function emptyObservations(plan: FusionPlan): FusionObservations {
  return {
    elements: 0,
    nonFinite: plan.inputs.map(() => 0),
    overflows: 0,
    frozenElements: 0,
    mismatches: 0,
    firstMismatch: null,
  };
}

/** Adds up the observations of ranges that do not overlap, given in the order of the file. */
export function mergeObservations(plan: FusionPlan, parts: readonly FusionObservations[]): FusionObservations {
  const total = emptyObservations(plan);
  for (const part of parts) {
    total.elements += part.elements;
    total.overflows += part.overflows;
    total.frozenElements += part.frozenElements;
    total.mismatches += part.mismatches;
    total.firstMismatch ??= part.firstMismatch;
    total.nonFinite = total.nonFinite.map((count, input) => count + (part.nonFinite[input] ?? 0));
  }
  return total;
}

/** What a manifest says about a fusion. */
export interface FusionReport {
  readonly elements: number;
  readonly nonFinite: readonly { readonly input: CheckpointId; readonly count: number }[];
  readonly overflows: number;
  readonly alignment: AlignmentReport;
}

export interface AlignmentReport {
  /** Whether all inputs declare the same start and the same mask. */
  readonly declared: boolean;
  /** Whether every frozen entry of the whole file was compared and found bit-equal in all inputs. */
  readonly verified: boolean;
  readonly frozenElements: number;
  readonly mismatches: number;
  readonly first: FirstMismatch | null;
}

export function fusionReport(plan: FusionPlan, found: FusionObservations): FusionReport {
  const declared = plan.family !== undefined;
  return {
    elements: found.elements,
    nonFinite: plan.inputs.map(({ id }, index) => ({ input: id, count: found.nonFinite[index] ?? 0 })),
    overflows: found.overflows,
    alignment: {
      declared,
      verified: declared && found.elements === plan.elements && found.mismatches === 0,
      frozenElements: found.frozenElements,
      mismatches: found.mismatches,
      first: found.firstMismatch,
    },
  };
}
