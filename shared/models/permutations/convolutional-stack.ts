import { type ConvolutionalStack, mapSize } from "../convolutional-stack.ts";
import {
  addDense,
  addNorm,
  type AxisPermutation,
  type PermutationSpec,
  type SpecDraft,
  units,
} from "./specification.ts";

/** The channels of every convolution and the units of every hidden layer: groups `conv_i`, `hidden_i`. */
export function convolutionalPermutations(stack: ConvolutionalStack): PermutationSpec {
  const spec: SpecDraft = { groups: {}, weights: {} };
  let inputs: AxisPermutation | null = null;
  for (const [index, { filters, norm }] of stack.stages.entries()) {
    const name = `conv_${index}`;
    spec.groups[name] = filters;
    spec.weights[`${name}/kernel`] = [null, null, inputs, units(name)];
    if (norm === "none") spec.weights[`${name}/bias`] = [units(name)];
    addNorm(spec, `norm_${index}`, norm, units(name));
    inputs = units(name);
  }
  const [height, width] = mapSize(stack);
  inputs = inputs === null ? null : { ...inputs, outer: height * width };
  for (const [index, size] of stack.hidden.entries()) {
    const name = `hidden_${stack.stages.length + index}`;
    spec.groups[name] = size;
    addDense(spec, name, inputs, units(name));
    inputs = units(name);
  }
  addDense(spec, "output", inputs, null);
  return spec;
}
