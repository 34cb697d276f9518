import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { Problem } from "../problem.ts";

/** One weight as it stands in a checkpoint: values are float32, row-major. */
export interface Weight {
  readonly shape: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}

/** Weights by name, such as `hidden_0/kernel`. */
export type Weights = ReadonlyMap<string, Weight>;

export interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** The variable in the model, for training and for in-place updates. */
  readonly variable: tf.Variable;
  /** False for the running statistics of batch normalisation: saved and fused, but never trained nor masked. */
  readonly trainable: boolean;
}

/**
 * The weights of a tf.layers model in the model's order, under the names that checkpoints use: the layer's name, a
 * slash, the role. tfjs appends `_1`, `_2` … to names when a process builds a model twice; `originalName` does not.
 */
export function weightSpecs(model: LayersModel): WeightSpec[] {
  return model.weights.map((weight) => ({
    name: weight.originalName,
    shape: weight.shape.map((dimension) => dimension ?? 0),
    variable: weight.read() as tf.Variable,
    trainable: weight.trainable,
  }));
}

/**
 * Copies weights into a model.
 * @throws Problem `incompatible-weights` where a name is missing or left over, or a shape differs
 */
export function assignWeights(model: LayersModel, weights: Weights): void {
  const specs = weightSpecs(model);
  checkWeights(specs, new Map(Array.from(weights, ([name, { shape }]) => [name, shape])));
  for (const { name, shape, variable } of specs) {
    const weight = weights.get(name);
    if (weight === undefined) continue; // checkWeights has refused it
    tf.tidy(() => variable.assign(tf.tensor(weight.values, [...shape], "float32")));
  }
}

/** @throws Problem `incompatible-weights` listing the differences between a model and a checkpoint */
export function checkWeights(
  specs: readonly Pick<WeightSpec, "name" | "shape">[],
  shapes: ReadonlyMap<string, readonly number[]>,
): void {
  const differences: string[] = [];
  const known = new Set<string>();
  for (const { name, shape } of specs) {
    known.add(name);
    const found = shapes.get(name);
    if (found === undefined) {
      differences.push(`${name} is missing`);
    } else if (found.join() !== shape.join()) {
      differences.push(`${name} is [${found}], the architecture needs [${shape}]`);
    }
  }
  for (const name of shapes.keys()) if (!known.has(name)) differences.push(`${name} is not part of the architecture`);
  if (differences.length > 0) {
    throw new Problem("incompatible-weights", `The weights do not fit: ${differences.slice(0, 3).join("; ")}.`, {
      differences: differences.slice(0, 20),
    });
  }
}
