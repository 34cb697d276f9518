import type { LayersModel } from "@tensorflow/tfjs-layers";
import { RandomStream } from "../random/stream.ts";
import { type Weight, type WeightSpec, weightSpecs } from "./weights.ts";

/**
 * Initial weights of a model, the same on every machine and backend.
 *
 * Kernels and biases are uniform in ±1/sqrt(fan-in), PyTorch's default for linear layers and the start of the
 * reference runs (He's rule with a = sqrt 5; He et al., arXiv:1502.01852). A bias shares its kernel's fan-in.
 * @param seed 64 bits; one seed makes one family
 */
export function initialWeights(model: LayersModel, seed: bigint): Map<string, Weight> {
  const specs = weightSpecs(model);
  const weights = new Map<string, Weight>();
  for (const { name, shape } of specs) {
    const bound = 1 / Math.sqrt(fanIn(name, specs));
    const random = new RandomStream(seed, `init/${name}`);
    const values = new Float32Array(shape.reduce((product, dimension) => product * dimension, 1));
    for (let i = 0; i < values.length; i++) values[i] = bound * (2 * random.uniform() - 1);
    weights.set(name, { shape, values });
  }
  return weights;
}

/** Inputs that reach one unit: all dimensions of its kernel but the last. */
function fanIn(name: string, specs: readonly WeightSpec[]): number {
  const kernelName = name.replace(/\/bias$/, "/kernel");
  const kernel = specs.find((spec) => spec.name === kernelName);
  if (kernel === undefined) throw new Error(`no kernel beside ${name}`);
  return kernel.shape.slice(0, -1).reduce((product, dimension) => product * dimension, 1);
}
