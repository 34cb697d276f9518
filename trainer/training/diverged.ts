import { Failure } from "../failure.ts";
import type { MemberTask } from "./member-task.ts";

/** The failure of a run whose loss stopped being a number. */
export function diverged({ label, regime }: MemberTask, step: number, steps: number): Failure {
  return new Failure(
    "diverged",
    `${label} diverged: the loss was no longer a number at step ${step} of ${steps}. Nothing was written for it; ` +
      `lower --learning-rate (now ${regime.learningRate}) or take another --seed.`,
  );
}
