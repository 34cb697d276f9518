import * as tf from "@tensorflow/tfjs-core";
import type { OptimizerSpec } from "../regime.ts";
import type { OptimizerRule } from "./rule.ts";

export type SgdSpec = Extract<OptimizerSpec, { name: "sgd" }>;

/**
 * torch.optim.SGD with dampening 0: d = g + decay w; v = momentum v + d; then d + momentum v (Nesterov) or v is what the
 * weights move against. Without momentum nothing is remembered.
 * @throws RangeError where a number is out of range, or Nesterov has no momentum to look along
 */
export function sgdRule({ momentum, nesterov, weightDecay }: SgdSpec): OptimizerRule {
  if (!(momentum >= 0 && momentum < 1)) throw new RangeError(`momentum ${momentum} is not in [0, 1)`);
  if (nesterov && momentum === 0) throw new RangeError("Nesterov needs momentum");
  return {
    slots: momentum === 0 ? [] : ["velocity"],
    l2: weightDecay,
    updateOnHeap(kernels, arrays, [velocity = 0], { learningRate }, scale) {
      kernels.momentumUpdate(arrays, velocity, { momentum, rate: learningRate, scale, decay: weightDecay, nesterov });
    },
    tensorUpdate({ learningRate }) {
      const rate = tf.scalar(learningRate);
      const share = tf.scalar(momentum);
      return (weight, gradient, [velocity]) => {
        if (velocity === undefined) return { weight: tf.sub(weight, tf.mul(gradient, rate)), slots: [] };
        const next = tf.add(tf.mul(velocity, share), gradient);
        const direction = nesterov ? tf.add(gradient, tf.mul(next, share)) : next;
        return { weight: tf.sub(weight, tf.mul(direction, rate)), slots: [next] };
      };
    },
  };
}
