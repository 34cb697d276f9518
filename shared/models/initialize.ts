import type { LayersModel } from "@tensorflow/tfjs-layers";
import { RandomStream } from "../random/stream.ts";
import type { Architecture } from "./architecture.ts";
import {
  type Initializer,
  type InitializerRule,
  pytorchDefault,
  resnetRule,
  transformerRule,
  vggRule,
} from "./initializers.ts";
import { type Weight, weightSpecs } from "./weights.ts";

/** The rule for each architecture, which is also the name of its model. */
const RULES: Readonly<Record<Architecture["architecture"], InitializerRule>> = {
  mlp: pytorchDefault,
  cnn: pytorchDefault,
  lenet: pytorchDefault,
  vgg: vggRule,
  resnet: resnetRule,
  vit: transformerRule,
  transformer: transformerRule,
};

/**
 * Initial weights of a model that `buildModel` made, the same on every machine and backend: every weight is drawn from
 * its own stream, keyed by the seed and its name, by the rule of its architecture (`initializers.ts`).
 * @param seed 64 bits; one seed makes one family
 */
export function initialWeights(model: LayersModel, seed: bigint): Map<string, Weight> {
  const rule = ruleFor(model.name);
  const specs = weightSpecs(model);
  const weights = new Map<string, Weight>();
  for (const spec of specs) {
    const values = new Float32Array(spec.shape.reduce((product, dimension) => product * dimension, 1));
    draw(rule(spec, specs), new RandomStream(seed, `init/${spec.name}`), values);
    weights.set(spec.name, { shape: spec.shape, values });
  }
  return weights;
}

function draw(initializer: Initializer, random: RandomStream, values: Float32Array<ArrayBuffer>): void {
  switch (initializer.kind) {
    case "constant":
      values.fill(initializer.value);
      return;
    case "uniform":
      for (let i = 0; i < values.length; i++) values[i] = initializer.bound * (2 * random.uniform() - 1);
      return;
    case "normal":
      for (let i = 0; i < values.length; i++) values[i] = initializer.deviation * random.normal();
      return;
  }
}

function ruleFor(model: string): InitializerRule {
  const rule = Object.entries(RULES).find(([name]) => name === model)?.[1];
  if (rule === undefined) throw new Error(`${model} is no architecture of ours`);
  return rule;
}
