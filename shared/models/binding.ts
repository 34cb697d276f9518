import { Problem } from "../problem.ts";
import type { TensorInfo } from "../safetensors/index.ts";
import type { WeightShape } from "./weight-shapes.ts";

/** A tensor that a weight is read from. */
export interface BindingSource {
  /** Name in the file. */
  readonly tensor: string;
  /** The shape it must have. */
  readonly shape: readonly number[];
  /** The shape it has; undefined where the file has no such tensor. */
  readonly found: readonly number[] | undefined;
}

/** Where a weight of a network comes from in a file. */
export interface Binding {
  readonly weight: WeightShape;
  /** All tensors that it takes; none where nobody knows which. */
  readonly sources: readonly BindingSource[];
  /**
   * The weight's values, in our layout.
   * @param values the values of a tensor of `sources`, as the file has them
   */
  read(values: (tensor: string) => Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>;
}

/** Counts batches in PyTorch's batch normalisation; nothing is computed from it in evaluation. */
const COUNTER = /(?:^|\.)num_batches_tracked$/;

/**
 * Checks that a file has what a network needs, in the shapes that it needs, and nothing else.
 * @param names the declared names; one of something that the network does not have is an error in the map
 * @throws Problem `incompatible-weights` listing the differences
 */
export function checkBindings(
  bindings: readonly Binding[],
  tensors: readonly TensorInfo[],
  layout: "tensorflow" | "pytorch",
  names: ReadonlyMap<string, string>,
): void {
  const differences: string[] = [];
  const used = new Set<string>();
  for (const { weight, sources } of bindings) {
    if (sources.length === 0) {
      differences.push(`no tensor is known for ${weight.name} [${weight.shape}]; say which in names`);
    }
    for (const { tensor, shape, found } of sources) {
      used.add(tensor);
      if (found?.join() === shape.join()) continue;
      const label = tensor === weight.name ? weight.name : `${JSON.stringify(tensor)}, for ${weight.name},`;
      differences.push(
        found === undefined
          ? `${label} is missing; [${shape}] is needed`
          : `${label} is [${found}], [${shape}] is needed`,
      );
    }
  }
  for (const { name } of tensors) {
    if (used.has(name) || (layout === "pytorch" && COUNTER.test(name))) continue;
    differences.push(`${JSON.stringify(name)} is not part of the network`);
  }
  const weights = new Set(bindings.map(({ weight }) => weight.name));
  for (const name of names.keys()) {
    if (!weights.has(name)) differences.push(`names has ${JSON.stringify(name)}, which is no weight of the network`);
  }
  if (differences.length > 0) {
    throw new Problem("incompatible-weights", `The weights do not fit: ${differences.slice(0, 3).join("; ")}.`, {
      differences: differences.slice(0, 20),
    });
  }
}
