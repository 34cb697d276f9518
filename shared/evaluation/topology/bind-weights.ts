import { decodeTensor } from "../../models/decode.ts";
import { bindPytorch } from "../../models/pytorch-binding.ts";
import { type Binding, checkBindings, type Weight, type Weights, type WeightShape } from "../../models/index.ts";
import type { SafetensorsHeader, TensorInfo } from "../../safetensors/index.ts";
import { networkWeights, type WeightForm } from "./network.ts";

/**
 * Reads the weights of a network from a file, under our names, in our layout, as float32.
 * @param bytes the bytes of one tensor; may be an unaligned view
 * @throws Problem `incompatible-weights` naming weight, tensor, wanted and found shape; `unsupported-dtype`
 */
export function bindWeights(
  { network, layout, names }: WeightForm,
  { tensors }: Pick<SafetensorsHeader, "tensors">,
  bytes: (tensor: TensorInfo) => Uint8Array<ArrayBuffer>,
): Weights {
  const wanted = networkWeights(network);
  const bindings =
    layout === "pytorch" && network.kind === "architecture"
      ? bindPytorch(network.architecture, wanted, tensors, names)
      : bindByName(wanted, tensors, names);
  checkBindings(bindings, tensors, layout, names);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const values = (name: string) => {
    const tensor = byName.get(name);
    if (tensor === undefined) throw new Error(`the tensor ${name} was there a moment ago`);
    return decodeTensor(tensor, bytes(tensor));
  };
  return new Map(
    bindings.map(({ weight, read }): [string, Weight] => [weight.name, { shape: weight.shape, values: read(values) }]),
  );
}

function bindByName(
  wanted: readonly WeightShape[],
  tensors: readonly TensorInfo[],
  names: ReadonlyMap<string, string>,
): Binding[] {
  const known = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return wanted.map((weight) => {
    const tensor = names.get(weight.name) ?? weight.name;
    return {
      weight,
      sources: [{ tensor, shape: weight.shape, found: known.get(tensor)?.shape }],
      read: (values) => values(tensor),
    };
  });
}
