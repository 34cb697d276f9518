import { Failure } from "../failure.ts";
import type { MemberTask } from "./member-task.ts";

/**
 * Refuses a task that cannot be trained, before any thread starts.
 * @throws Failure `usage`
 */
export function checkTask({ dataset, architecture, fixedRatio, regime }: MemberTask): void {
  const { learningRate, momentum, batch, epochs } = regime;
  if (!(fixedRatio >= 0 && fixedRatio < 1)) throw usage(`The fixed ratio is ${fixedRatio}; it lies in [0, 1).`);
  if (!(learningRate > 0 && Number.isFinite(learningRate))) {
    throw usage(`The learning rate is ${learningRate}; it is a positive number.`);
  }
  if (!(momentum >= 0 && momentum < 1)) throw usage(`The momentum is ${momentum}; it lies in [0, 1).`);
  if (!Number.isInteger(epochs) || epochs < 1) throw usage(`${epochs} epochs; at least one is needed.`);
  if (!Number.isInteger(batch) || batch < 1 || batch > dataset.train.count) {
    throw usage(`The batch is ${batch}; ${dataset.name} has ${dataset.train.count} training samples.`);
  }
  if (architecture.input.join() !== dataset.inputShape.join() || architecture.classes < dataset.classes) {
    throw usage(
      `${dataset.name} has samples of [${dataset.inputShape}] in ${dataset.classes} classes; the model does not fit.`,
    );
  }
}

const usage = (message: string) => new Failure("usage", message);
