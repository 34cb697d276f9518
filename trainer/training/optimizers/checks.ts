import type * as tf from "@tensorflow/tfjs-core";
import type { MaskedParameter, OptimizerState } from "../masked-optimizer.ts";
import type { OptimizerRule } from "./rule.ts";

/** @throws RangeError where a mask has another size than its variable, a name repeats, or the clipping norm is not positive */
export function checkParameters(parameters: readonly MaskedParameter[], clipNorm: number | undefined): void {
  if (clipNorm !== undefined && !(clipNorm > 0 && Number.isFinite(clipNorm))) {
    throw new RangeError(`clipping norm ${clipNorm} is not a positive number`);
  }
  const names = new Set<string>();
  for (const { name, variable, frozen } of parameters) {
    if (names.has(name)) throw new RangeError(`two parameters are named ${name}`);
    names.add(name);
    if (variable.dtype !== "float32") throw new RangeError(`${name} is ${variable.dtype}, not float32`);
    if (frozen !== undefined && frozen.length !== variable.size) {
      throw new RangeError(`the mask of ${name} has ${frozen.length} entries, the tensor ${variable.size}`);
    }
  }
}

/** @throws RangeError where the rate is not a finite number */
export function checkRate(learningRate: number): void {
  if (!Number.isFinite(learningRate)) throw new RangeError(`learning rate ${learningRate} is not a number`);
}

/** @throws RangeError where a parameter has no gradient, or one of another size or dtype */
export function gradientOf(gradients: ReadonlyMap<string, tf.Tensor>, name: string, size: number): tf.Tensor {
  const gradient = gradients.get(name);
  if (gradient === undefined) throw new RangeError(`${name} has no gradient`);
  if (gradient.size !== size || gradient.dtype !== "float32") {
    throw new RangeError(`the gradient of ${name} is ${gradient.dtype}[${gradient.size}], not float32[${size}]`);
  }
  return gradient;
}

/** Name of what is remembered, as a state has it. */
export function slotName(slot: string, parameter: string): string {
  return `${slot}/${parameter}`;
}

/** @throws RangeError where a saved state is not of this rule over these parameters */
export function checkState(
  { step, slots }: OptimizerState,
  rule: OptimizerRule,
  parameters: readonly { readonly name: string; readonly variable: tf.Variable }[],
): void {
  if (!Number.isInteger(step) || step < 0) throw new RangeError(`the saved state is of step ${step}`);
  const known = new Set<string>();
  for (const slot of rule.slots) {
    for (const { name, variable } of parameters) {
      const saved = slots.get(slotName(slot, name));
      known.add(slotName(slot, name));
      if (saved?.length !== variable.size) {
        throw new RangeError(
          `the saved ${slot} of ${name} has ${saved?.length ?? "no"} entries, the tensor ${variable.size}`,
        );
      }
    }
  }
  for (const name of slots.keys()) {
    if (!known.has(name)) throw new RangeError(`the saved state has ${name}, which this optimizer does not keep`);
  }
}

/** What torch.nn.utils.clip_grad_norm_ adds to the norm. */
export const CLIP_MARGIN = 1e-6;
