import type { Architecture } from "./architecture.ts";
import { cnnStack } from "./cnn.ts";
import { lenetStack } from "./lenet.ts";
import { convolutionalPermutations } from "./permutations/convolutional-stack.ts";
import { perceptronPermutations } from "./permutations/perceptron.ts";
import { resnetPermutations } from "./permutations/resnet.ts";
import type { AxisPermutation, PermutationSpec } from "./permutations/specification.ts";
import { transformerPermutations, vitPermutations } from "./permutations/transformer.ts";
import { vggStack } from "./vgg.ts";
import type { Weight, Weights } from "./weights.ts";

export type { AxisPermutation, PermutationSpec, WeightAxes } from "./permutations/specification.ts";

/** A permutation for each group: `permutation[i]` is the old place of the unit that comes to place i. */
export type Permutations = ReadonlyMap<string, Uint32Array>;

/** Which permutations of units leave the function of a network as it is (Git Re-Basin, arXiv:2209.04836). */
export function permutationSpec(architecture: Architecture): PermutationSpec {
  switch (architecture.architecture) {
    case "mlp":
      return perceptronPermutations(architecture);
    case "cnn":
      return convolutionalPermutations(cnnStack(architecture));
    case "lenet":
      return convolutionalPermutations(lenetStack(architecture));
    case "vgg":
      return convolutionalPermutations(vggStack(architecture));
    case "resnet":
      return resnetPermutations(architecture);
    case "vit":
      return vitPermutations(architecture);
    case "transformer":
      return transformerPermutations(architecture);
  }
}

/**
 * Where each entry along an axis comes from.
 * @param permutations groups that are missing stay as they are
 * @throws RangeError where a permutation has another length than its group
 */
export function axisSources(
  { groups, outer, inner }: AxisPermutation,
  spec: PermutationSpec,
  permutations: Permutations,
): Uint32Array<ArrayBuffer> {
  const sizes = groups.map((group) => spec.groups[group] ?? 0);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const sources = new Uint32Array(outer * total * inner);
  let target = 0;
  for (let repeat = 0; repeat < outer; repeat++) {
    let begin = repeat * total;
    for (const [index, group] of groups.entries()) {
      const size = sizes[index] ?? 0;
      const permutation = permutations.get(group);
      if (permutation !== undefined && permutation.length !== size) {
        throw new RangeError(`the permutation of ${group} has ${permutation.length} units, the group ${size}`);
      }
      for (let unit = 0; unit < size; unit++) {
        const source = (begin + (permutation?.[unit] ?? unit)) * inner;
        for (let entry = 0; entry < inner; entry++) sources[target++] = source + entry;
      }
      begin += size;
    }
  }
  return sources;
}

/**
 * Permutes the units of a network: a new set of weights with the same function.
 * @throws RangeError where a weight is not part of the specification or has other axes
 */
export function permuteWeights(
  spec: PermutationSpec,
  weights: Weights,
  permutations: Permutations,
): Map<string, Weight> {
  return new Map(
    Array.from(weights, ([name, { shape, values }]) => {
      const axes = spec.weights[name];
      if (axes?.length !== shape.length) throw new RangeError(`the specification has no axes for ${name} [${shape}]`);
      let moved = values;
      for (const [axis, permutation] of axes.entries()) {
        if (permutation === null) continue;
        const sources = axisSources(permutation, spec, permutations);
        if (sources.length !== shape[axis]) {
          throw new RangeError(`axis ${axis} of ${name} [${shape}] has ${sources.length} entries in the specification`);
        }
        moved = takeAlong(moved, shape, axis, sources);
      }
      return [name, { shape, values: moved }];
    }),
  );
}

/** The entries `sources` along one axis of a row-major array. */
function takeAlong(
  values: Float32Array<ArrayBuffer>,
  shape: readonly number[],
  axis: number,
  sources: Uint32Array,
): Float32Array<ArrayBuffer> {
  const stride = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const block = stride * sources.length;
  const taken = new Float32Array(values.length);
  for (let begin = 0; begin < values.length; begin += block) {
    for (const [target, source] of sources.entries()) {
      const from = begin + source * stride;
      taken.set(values.subarray(from, from + stride), begin + target * stride);
    }
  }
  return taken;
}
