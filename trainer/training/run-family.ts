import type { MaskScope } from "../../shared/alignment/mask-plan.ts";
import type { Architecture } from "../../shared/models/architecture.ts";
import { RandomStream } from "../../shared/random/stream.ts";
import { type Augmentation, NO_AUGMENTATION } from "../data/augmentation.ts";
import type { Dataset } from "../data/dataset.ts";
import { familyName } from "./family-name.ts";
import type { MemberTask, TrainedMember } from "./member-task.ts";
import { type Regime, sgd } from "./regime.ts";
import { trainMembers, type TrainMembersOptions } from "./train-members.ts";

/** A family: models from one start, under one mask, each with its own order of the data. */
export interface FamilyOptions {
  /** Prefix of labels and files; see {@link familyName}. */
  readonly name?: string | undefined;
  readonly dataset: Dataset;
  readonly architecture: Architecture;
  /** Initial weights; also the mask and the orders, where those have no seed of their own. The streams are independent. */
  readonly seed: bigint;
  readonly orderSeed?: bigint | undefined;
  readonly maskSeed?: bigint | undefined;
  /** Share of the entries in scope that are frozen, in [0, 1). */
  readonly fixedRatio: number;
  /** Which tensors the mask covers; all by default. */
  readonly scope?: MaskScope | undefined;
  /** `initial` (the default): TNA-PFN. `zero`: pruning at initialisation. */
  readonly frozenValue?: "initial" | "zero" | undefined;
  /** How many members. */
  readonly models: number;
  readonly regime: Regime;
  /** None by default. */
  readonly augmentation?: Augmentation | undefined;
  /** The training samples of each member, for members with data of their own. */
  readonly samples?: readonly Uint32Array<ArrayBuffer>[] | undefined;
  /** Every member starts from other weights (member 1 from `seed`). Such models share a mask, but no start: no family. */
  readonly differentInit?: boolean | undefined;
}

/** The regime of the reference runs, in which the effect of the mask is large. */
export const REFERENCE_REGIME: Regime = { learningRate: 0.1, ...sgd(0.9), batch: 100, epochs: 30 };

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
  const { dataset, architecture, seed, orderSeed = seed, maskSeed = seed, fixedRatio, models, regime } = options;
  const { scope = "all", frozenValue = "initial", augmentation = NO_AUGMENTATION, samples } = options;
  const name = options.name ?? familyName(options);
  return Array.from({ length: models }, (_, index) => {
    const member = index + 1;
    return {
      label: `${name}-${member}`,
      dataset,
      architecture,
      seed: options.differentInit === true ? memberSeed(seed, member) : seed,
      orderSeed,
      mask: { seed: maskSeed, fixedRatio, scope, frozenValue },
      member,
      regime,
      augmentation,
      samples: samples?.[index],
    };
  });
}

/** The multilayer perceptron that fits a dataset. */
export function mlpFor(dataset: Dataset, hidden: readonly number[]): Architecture {
  return { architecture: "mlp", input: [...dataset.inputShape], hidden: [...hidden], classes: dataset.classes };
}

/** Independent seeds for members that start from different weights; the first keeps the family's. */
function memberSeed(seed: bigint, member: number): bigint {
  if (member === 1) return seed;
  const random = new RandomStream(seed, `member-init/${member}`);
  return (BigInt(random.uint32()) << 32n) | BigInt(random.uint32());
}
