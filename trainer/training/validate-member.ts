import type { LayersModel } from "@tensorflow/tfjs-layers";
import { predictorOf } from "../../shared/evaluation/evaluable.ts";
import { evaluateShardAsync } from "../../shared/evaluation/evaluate.ts";
import { meansOf } from "../../shared/evaluation/sums.ts";
import { Problem } from "../../shared/problem.ts";
import { diverged } from "./diverged.ts";
import type { MemberTask, Validation } from "./member-task.ts";

/**
 * Loss and accuracy on the validation split.
 * @param step steps taken: the last one may be what broke the weights, and the loss here the first to show it
 * @throws Failure `diverged` where the loss is not a number
 */
export async function validateMember(
  task: MemberTask,
  model: LayersModel,
  step: number,
  steps: number,
): Promise<Validation> {
  try {
    const means = meansOf(await evaluateShardAsync(predictorOf(model), task.dataset.validation));
    if (!Number.isFinite(means.loss)) throw diverged(task, step, steps);
    return means;
  } catch (error) {
    if (error instanceof Problem && error.code === "non-finite-values") throw diverged(task, step, steps);
    throw error;
  }
}

/** Higher accuracy, then lower loss; of equals the earlier stays. */
export function isBetter(candidate: Validation, best: Validation | undefined): boolean {
  if (best === undefined || candidate.accuracy > best.accuracy) return true;
  return candidate.accuracy === best.accuracy && candidate.loss < best.loss;
}
