import type { Mlp } from "../mlp.ts";
import { addDense, type AxisPermutation, type PermutationSpec, type SpecDraft, units } from "./specification.ts";

/** The units of every hidden layer: group `hidden_i`. */
export function perceptronPermutations({ hidden }: Mlp): PermutationSpec {
  const spec: SpecDraft = { groups: {}, weights: {} };
  let inputs: AxisPermutation | null = null;
  for (const [index, size] of hidden.entries()) {
    const name = `hidden_${index}`;
    spec.groups[name] = size;
    addDense(spec, name, inputs, units(name));
    inputs = units(name);
  }
  addDense(spec, "output", inputs, null);
  return spec;
}
