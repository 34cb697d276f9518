import type { OptimizerSpec } from "../regime.ts";
import { adaptiveRule } from "./adaptive.ts";
import type { OptimizerRule } from "./rule.ts";
import { sgdRule } from "./sgd.ts";

/**
 * The rule of an optimizer. A new one is a file beside this, a form of `OptimizerSpec` and a line here.
 * @throws RangeError where one of its numbers is out of range
 */
export function ruleOf(spec: OptimizerSpec): OptimizerRule {
  const { weightDecay } = spec;
  if (!(weightDecay >= 0 && Number.isFinite(weightDecay))) {
    throw new RangeError(`weight decay ${weightDecay} is negative or no number`);
  }
  switch (spec.name) {
    case "sgd":
      return sgdRule(spec);
    case "adam":
    case "adamw":
      return adaptiveRule(spec);
  }
}
