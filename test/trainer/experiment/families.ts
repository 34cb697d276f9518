import { barrierOfPath } from "../../../shared/evaluation/barrier.ts";
import type { Measurement } from "../../../trainer/experiment/measurement.ts";
import type { Setting } from "../../../trainer/experiment/study.ts";
import { sgd } from "../../../trainer/training/regime.ts";

export const BASE: Setting = {
  architecture: { architecture: "mlp", input: [4, 4, 1], hidden: [8, 8], classes: 3 },
  regime: { learningRate: 0.1, ...sgd(0.9), batch: 10, epochs: 1 },
  fixedRatio: 0.4,
  scope: "all",
  frozenValue: "initial",
  differentInit: false,
  models: 2,
};

/** A measurement whose middle lies `gap` below its parents' common accuracy, and whose averages of K lie `gap` × K / 2 below. */
export function measured(repetition: number, gap: number, models = 2): Measurement {
  const points = [0, 0.5, 1].map((alpha) => ({
    alpha,
    loss: alpha === 0.5 ? 0.5 + 10 * gap : 0.5,
    accuracy: alpha === 0.5 ? 0.9 - gap : 0.9,
  }));
  return {
    repetition,
    seed: String(100 + repetition),
    diverged: 0,
    members: Array.from({ length: models }, () => ({ loss: 0.5, accuracy: 0.9 })),
    path: { ...barrierOfPath(points), points, samples: 1000 },
    means: Array.from({ length: models - 1 }, (_, index) => ({
      models: index + 2,
      loss: 0.5 + 10 * gap,
      accuracy: 0.9 - (gap * (index + 2)) / 2,
    })),
  };
}
