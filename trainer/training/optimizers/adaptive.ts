import * as tf from "@tensorflow/tfjs-core";
import type { OptimizerSpec } from "../regime.ts";
import type { OptimizerRule, StepMoment } from "./rule.ts";

export type AdaptiveSpec = Extract<OptimizerSpec, { name: "adam" | "adamw" }>;

/**
 * torch.optim.Adam and AdamW, amsgrad off (Kingma & Ba, arXiv:1412.6980; Loshchilov & Hutter, arXiv:1711.05101):
 * m = m + (1 - beta1)(g - m); v = beta2 v + (1 - beta2) g²;
 * w = w - rate / (1 - beta1^t) · m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon).
 * Adam adds decay · w to g first; AdamW multiplies w by 1 - rate · decay instead.
 * @throws RangeError where a number is out of range
 */
export function adaptiveRule({ name, beta1, beta2, epsilon, weightDecay }: AdaptiveSpec): OptimizerRule {
  const badBeta = [beta1, beta2].find((beta) => !(beta >= 0 && beta < 1));
  if (badBeta !== undefined) throw new RangeError(`beta ${badBeta} is not in [0, 1)`);
  if (!(epsilon >= 0 && Number.isFinite(epsilon))) throw new RangeError(`epsilon ${epsilon} is negative or no number`);
  const l2 = name === "adam" ? weightDecay : 0;

  /** In float64; each is rounded once, where it meets the weights. */
  const factors = ({ step, learningRate }: StepMoment) => ({
    firstShare: 1 - beta1,
    beta2,
    secondShare: 1 - beta2,
    rate: learningRate / (1 - beta1 ** step),
    root: 1 / Math.sqrt(1 - beta2 ** step),
    epsilon,
    decay: l2,
    shrink: name === "adamw" ? 1 - learningRate * weightDecay : 1,
  });

  return {
    slots: ["firstMoment", "secondMoment"],
    l2,
    updateOnHeap(kernels, arrays, [first = 0, second = 0], moment, scale) {
      kernels.adaptiveUpdate(arrays, first, second, { ...factors(moment), scale });
    },
    tensorUpdate(moment) {
      const numbers = factors(moment);
      const firstShare = tf.scalar(numbers.firstShare);
      const share = tf.scalar(beta2);
      const secondShare = tf.scalar(numbers.secondShare);
      const rate = tf.scalar(numbers.rate);
      const root = tf.scalar(numbers.root);
      const least = tf.scalar(epsilon);
      const shrink = tf.scalar(numbers.shrink);
      return (weight, gradient, [oldFirst, oldSecond]) => {
        if (oldFirst === undefined || oldSecond === undefined) throw new Error("two moments are kept a parameter");
        const first = tf.add(oldFirst, tf.mul(tf.sub(gradient, oldFirst), firstShare));
        const second = tf.add(tf.mul(oldSecond, share), tf.mul(tf.mul(gradient, secondShare), gradient));
        const bound = tf.add(tf.mul(tf.sqrt(second), root), least);
        const kept = numbers.shrink === 1 ? weight : tf.mul(weight, shrink);
        return { weight: tf.sub(kept, tf.mul(tf.div(first, bound), rate)), slots: [first, second] };
      };
    },
  };
}
