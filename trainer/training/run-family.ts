import type { Architecture } from "../../shared/models/architecture.ts";
import type { Dataset } from "../data/dataset.ts";
import type { MemberTask, Regime, TrainedMember } from "./member-task.ts";
import { trainMembers, type TrainMembersOptions } from "./train-members.ts";

/** A family: models from one start, under one mask, each with its own order of the data. */
export interface FamilyOptions {
  /** Prefix of labels and files; see {@link familyName}. */
  readonly name?: string | undefined;
  readonly dataset: Dataset;
  /** Units of each hidden layer of the multilayer perceptron. */
  readonly hidden: readonly number[];
  readonly seed: bigint;
  /** `seed` by default; the two streams of numbers are independent even so. */
  readonly maskSeed?: bigint | undefined;
  readonly fixedRatio: number;
  /** How many members. */
  readonly models: number;
  readonly regime: Regime;
}

/** The regime of the reference runs, in which the effect of the mask is large. */
export const REFERENCE_REGIME: Regime = { learningRate: 0.1, momentum: 0.9, batch: 100, epochs: 30 };

/**
 * Trains a family.
 * @returns members 1, 2, … in order
 * @throws Failure as {@link trainMembers}
 */
export function trainFamily(options: FamilyOptions, run: TrainMembersOptions = {}): Promise<TrainedMember[]> {
  return trainMembers(familyTasks(options), run);
}

/** The tasks of a family, for running several families in one pool of threads. */
export function familyTasks(options: FamilyOptions): MemberTask[] {
  const { dataset, hidden, seed, maskSeed = seed, fixedRatio, models, regime } = options;
  const name = options.name ?? familyName(options);
  const architecture: Architecture = {
    architecture: "mlp",
    input: [...dataset.inputShape],
    hidden: [...hidden],
    classes: dataset.classes,
  };
  return Array.from({ length: models }, (_, index) => ({
    label: `${name}-${index + 1}`,
    dataset,
    architecture,
    seed,
    maskSeed,
    fixedRatio,
    member: index + 1,
    regime,
  }));
}

/** `glyphs-mlp-6x128-f0.4-s1`: dataset, architecture, fixed ratio, seed. */
export function familyName({ dataset, hidden, fixedRatio, seed }: FamilyOptions): string {
  return [dataset.name, "mlp", describeWidths(hidden), `f${fixedRatio}`, `s${seed}`].join("-");
}

function describeWidths(hidden: readonly number[]): string {
  const [first] = hidden;
  if (first === undefined) return "linear";
  return hidden.every((width) => width === first) ? `${hidden.length}x${first}` : hidden.join("_");
}
