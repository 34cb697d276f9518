import type { MemberProgress, Validation } from "./member-task.ts";
import type { StateStore } from "./state-file.ts";
import type { DataDigests } from "./task-description.ts";

/** Progress of one member; its runner adds which task that is. */
export type OwnProgress = Omit<MemberProgress, "task" | "label">;

/** One point of a run's record: every tenth step and the end of every epoch, the same however often it was resumed. */
export interface StepMetrics {
  /** From 1. */
  readonly step: number;
  /** The epoch the step belongs to, from 1. */
  readonly epoch: number;
  /** Of this step. */
  readonly loss: number;
  /** Exponential mean up to this step. */
  readonly smoothedLoss: number;
  readonly learningRate: number;
  /** Since the run began or was resumed. */
  readonly samplesPerSecond: number;
  /** At the end of an epoch: the mean loss of its steps. */
  readonly trainingLoss?: number;
  /** At the end of an epoch. */
  readonly validation?: Validation;
}

/** When the state is saved: after so many steps, or once so many seconds have passed. */
export type CheckpointInterval = { readonly steps: number } | { readonly seconds: number };

export interface MemberSurroundings {
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Called a few times a second and after every epoch. */
  readonly onProgress?: (progress: OwnProgress) => void;
  readonly onMetrics?: (metrics: StepMetrics) => void;
  /**
   * Waited for before the state is saved: resolves once all metrics so far are where they belong. A kill just after
   * the save would lose them else, because the steps before it are not taken again.
   */
  readonly metricsRecorded?: () => Promise<void>;
  /** Told where a saved state was found, before the first step. */
  readonly onResumed?: (step: number) => void;
  /** Asked before every step; the state is saved then. */
  readonly stop?: () => boolean;
  /** Without it nothing is saved or resumed. */
  readonly state?: StateStore | undefined;
  readonly checkpointEvery?: CheckpointInterval | undefined;
  /** Also give the weights of the best epoch. */
  readonly keepBest?: boolean;
  readonly data: DataDigests;
}

/** Thrown where a run was asked to stop. */
export class StoppedEarly extends Error {
  override readonly name = "StoppedEarly";
  readonly step: number;
  readonly steps: number;
  readonly saved: boolean;

  constructor(step: number, steps: number, saved: boolean) {
    super(`stopped at step ${step} of ${steps}`);
    this.step = step;
    this.steps = steps;
    this.saved = saved;
  }
}
