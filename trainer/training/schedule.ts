import type { Regime, ScheduleSpec } from "./regime.ts";

/**
 * The learning rate of one step. It depends on nothing but its arguments, so a run resumes anywhere.
 *
 * Warm-up: during the first W steps the rate is (step + 1) / (W + 1) of the full one; the line would be 0 one step before
 * the run and is the full rate at step W, so that no step is spent on a rate of 0. Then
 * - constant: the full rate;
 * - step: times `factor` for every `everyEpochs` epochs that are over (counted from the run's begin, during warm-up too);
 * - cosine: from the full rate at step W along half a cosine to `floor` of it at step `steps`, the first step that is not
 *   taken (Loshchilov & Hutter, arXiv:1608.03983; torch.optim.lr_scheduler.CosineAnnealingLR with T_max = steps - W).
 * @param step from 0
 * @param steps of the whole run
 */
export function learningRateAt(
  { learningRate, schedule }: Pick<Regime, "learningRate" | "schedule">,
  step: number,
  stepsPerEpoch: number,
  steps: number,
): number {
  const { warmupSteps } = schedule;
  const warmth = step < warmupSteps ? (step + 1) / (warmupSteps + 1) : 1;
  return learningRate * warmth * shareAt(schedule, step, stepsPerEpoch, steps);
}

/** The schedule's own share of the full rate, in [0, 1] but for factors above 1. */
function shareAt(schedule: ScheduleSpec, step: number, stepsPerEpoch: number, steps: number): number {
  switch (schedule.name) {
    case "constant":
      return 1;
    case "step": {
      const epoch = Math.floor(step / Math.max(1, stepsPerEpoch));
      return schedule.factor ** Math.floor(epoch / schedule.everyEpochs);
    }
    case "cosine": {
      const { floor, warmupSteps } = schedule;
      if (step < warmupSteps) return 1;
      const progress = Math.min(1, (step - warmupSteps) / Math.max(1, steps - warmupSteps));
      return floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
    }
  }
}
