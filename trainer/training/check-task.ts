import { labelsPerSampleOf, sampleShapeOf } from "../../shared/models/architecture.ts";
import { labelsPerSample } from "../../shared/evaluation/shard.ts";
import { checkAugmentation } from "../data/augmentation.ts";
import { Failure } from "../failure.ts";
import type { MemberTask } from "./member-task.ts";
import type { OptimizerSpec, Regime, ScheduleSpec } from "./regime.ts";

/**
 * Refuses a task that cannot be trained, before any thread starts.
 * @throws Failure `usage`; `bad-input` for labels outside the classes
 */
export function checkTask(task: MemberTask): void {
  const { dataset, architecture, mask, regime, augmentation, samples } = task;
  requireUsage(
    mask.fixedRatio >= 0 && mask.fixedRatio < 1,
    `The fixed ratio is ${mask.fixedRatio}; it lies in [0, 1).`,
  );
  checkRegime(regime);
  const count = samples?.length ?? dataset.train.count;
  const whose = samples === undefined ? dataset.name : `${task.label}'s part of ${dataset.name}`;
  requireUsage(
    Number.isInteger(regime.batch) && regime.batch >= 1 && regime.batch <= count,
    `The batch is ${regime.batch}; ${whose} has ${count} training samples.`,
  );
  const beyond = samples?.find((sample) => sample >= dataset.train.count);
  requireUsage(beyond === undefined, `${task.label} is to see sample ${beyond}; there are ${dataset.train.count}.`);
  checkAugmentation(augmentation, dataset.inputShape);
  const fits = sampleShapeOf(architecture).join() === dataset.inputShape.join();
  requireUsage(
    fits && architecture.classes >= dataset.classes,
    `${dataset.name} has samples of [${dataset.inputShape}] in ${dataset.classes} classes; the model does not fit.`,
  );
  const labels = labelsPerSample(dataset.train);
  requireUsage(
    labelsPerSampleOf(architecture) === labels,
    `${dataset.name} has ${labels} label${labels === 1 ? "" : "s"} a sample, the model ${labelsPerSampleOf(architecture)}.`,
  );
}

function checkRegime({ learningRate, optimizer, schedule, epochs, labelSmoothing, clipNorm }: Regime): void {
  requireUsage(isPositive(learningRate), `The learning rate is ${learningRate}; it is a positive number.`);
  checkOptimizer(optimizer);
  checkSchedule(schedule);
  requireUsage(Number.isInteger(epochs) && epochs >= 1, `${epochs} epochs; at least one is needed.`);
  requireUsage(isShare(labelSmoothing), `The label smoothing is ${labelSmoothing}; it lies in [0, 1).`);
  requireUsage(
    clipNorm === undefined || isPositive(clipNorm),
    `The clip norm is ${clipNorm}; it is a positive number.`,
  );
}

function checkOptimizer(optimizer: OptimizerSpec): void {
  const { weightDecay } = optimizer;
  requireUsage(
    weightDecay >= 0 && Number.isFinite(weightDecay),
    `The weight decay is ${weightDecay}; it is at least 0.`,
  );
  switch (optimizer.name) {
    case "sgd": {
      const { momentum, nesterov } = optimizer;
      requireUsage(isShare(momentum), `The momentum is ${momentum}; it lies in [0, 1).`);
      requireUsage(!nesterov || momentum > 0, "Nesterov's rule looks ahead along the momentum; it needs --momentum.");
      return;
    }
    case "adam":
    case "adamw": {
      const { beta1, beta2, epsilon } = optimizer;
      for (const beta of [beta1, beta2]) requireUsage(isShare(beta), `A beta is ${beta}; both lie in [0, 1).`);
      requireUsage(isPositive(epsilon), `The epsilon is ${epsilon}; it is a positive number.`);
    }
  }
}

function checkSchedule(schedule: ScheduleSpec): void {
  const { warmupSteps } = schedule;
  requireUsage(
    Number.isInteger(warmupSteps) && warmupSteps >= 0,
    `${warmupSteps} warm-up steps; a whole number is needed.`,
  );
  switch (schedule.name) {
    case "constant":
      return;
    case "step":
      requireUsage(
        Number.isInteger(schedule.everyEpochs) && schedule.everyEpochs >= 1 && isPositive(schedule.factor),
        `A step schedule of ${schedule.everyEpochs} epochs and factor ${schedule.factor} is not possible.`,
      );
      return;
    case "cosine":
      requireUsage(
        schedule.floor >= 0 && schedule.floor <= 1,
        `The floor of the cosine is ${schedule.floor}; it is a share of the full rate.`,
      );
  }
}

const isPositive = (number: number) => number > 0 && Number.isFinite(number);
const isShare = (number: number) => number >= 0 && number < 1;

function requireUsage(holds: boolean, message: string): void {
  if (!holds) throw new Failure("usage", message);
}
