import type { Regime } from "../../training/regime.ts";
import type { Study } from "../study.ts";
import { maskedAndNot } from "./masked-and-not.ts";

const DECAY = 5e-4;

/**
 * Each optimizer at a rate it trains well at: plain SGD and its kin at the base's rate, Adam's kin a hundred times lower,
 * since their steps are normalised.
 */
function regimes(base: Regime): [name: string, regime: Regime][] {
  const { learningRate } = base;
  const sgd = { name: "sgd", nesterov: false, weightDecay: 0 } as const;
  const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;
  return [
    ["SGD", { ...base, optimizer: { ...sgd, momentum: 0 } }],
    ["momentum 0.9", { ...base, optimizer: { ...sgd, momentum: 0.9 } }],
    ["with decay 5e-4", { ...base, optimizer: { ...sgd, momentum: 0.9, weightDecay: DECAY } }],
    ["Nesterov", { ...base, optimizer: { ...sgd, momentum: 0.9, nesterov: true } }],
    ["Adam", { ...base, learningRate: learningRate / 100, optimizer: { name: "adam", ...adam, weightDecay: 0 } }],
    ["AdamW", { ...base, learningRate: learningRate / 100, optimizer: { name: "adamw", ...adam, weightDecay: 0.01 } }],
  ];
}

export const optimizer: Study = {
  title: "Optimizers",
  question: "Does the effect depend on the optimizer?",
  axis: "optimizer",
  measures: "path",
  conditions: ({ base }) =>
    maskedAndNot(
      base,
      regimes(base.regime).map(([category, regime]) => ({ category, setting: { regime } })),
    ),
};
