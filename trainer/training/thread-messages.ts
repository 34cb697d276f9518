import type { ChosenBackend } from "../backend/choose-backend.ts";
import type { Dataset } from "../data/dataset.ts";
import type { FailureKind } from "../failure.ts";
import type { CheckpointInterval, OwnProgress, StepMetrics } from "./member-surroundings.ts";
import type { MemberTask, TrainedMember } from "./member-task.ts";
import type { DataDigests } from "./task-description.ts";

/** What a training thread is born with. */
export interface ThreadData {
  readonly backend: ChosenBackend;
  /** One int32: not 0 = save and stop. Shared, because a thread in the middle of its steps reads no messages. */
  readonly stop: SharedArrayBuffer;
}

/** Where and when a task's state is saved. */
export interface StateOptions {
  /** The state's file. */
  readonly path: string;
  readonly every: CheckpointInterval | undefined;
}

/** Main thread to training thread. Datasets go ahead of the tasks that name them. */
export type ToThread =
  | { readonly type: "dataset"; readonly id: number; readonly dataset: Dataset; readonly data: DataDigests }
  | {
      readonly type: "task";
      readonly index: number;
      readonly datasetId: number;
      readonly task: Omit<MemberTask, "dataset">;
      readonly state: StateOptions | undefined;
      readonly keepBest: boolean;
    }
  /** Answers `saving`. */
  | { readonly type: "recorded" }
  | { readonly type: "end" };

/** Training thread to main thread. Errors travel as data: classes do not survive structured cloning. */
export type FromThread =
  | { readonly type: "resumed"; readonly index: number; readonly step: number }
  | { readonly type: "progress"; readonly index: number; readonly progress: OwnProgress }
  | { readonly type: "metrics"; readonly index: number; readonly metrics: StepMetrics }
  /** Asks whether all metrics sent so far are written; the state is saved after the answer. */
  | { readonly type: "saving"; readonly index: number }
  | { readonly type: "done"; readonly index: number; readonly result: TrainedMember }
  | {
      readonly type: "stopped";
      readonly index: number;
      readonly step: number;
      readonly steps: number;
      readonly saved: boolean;
    }
  | {
      readonly type: "failed";
      readonly index: number;
      readonly kind: FailureKind;
      readonly message: string;
      readonly stack: string | undefined;
    };
