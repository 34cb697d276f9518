import type { Dataset } from "../data/dataset.ts";
import type { FailureKind } from "../failure.ts";
import type { MemberTask, TrainedMember } from "./member-task.ts";
import type { OwnProgress } from "./train-member.ts";

/** Main thread to training thread. Datasets go ahead of the tasks that name them. */
export type ToThread =
  | { readonly type: "dataset"; readonly id: number; readonly dataset: Dataset }
  | {
      readonly type: "task";
      readonly index: number;
      readonly datasetId: number;
      readonly task: Omit<MemberTask, "dataset">;
    };

/** Training thread to main thread. Errors travel as data: classes do not survive structured cloning. */
export type FromThread =
  | { readonly type: "progress"; readonly index: number; readonly progress: OwnProgress }
  | { readonly type: "done"; readonly index: number; readonly result: TrainedMember }
  | {
      readonly type: "failed";
      readonly index: number;
      readonly kind: FailureKind;
      readonly message: string;
      readonly stack: string | undefined;
    };
