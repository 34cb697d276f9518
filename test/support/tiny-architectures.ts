import {
  type Architecture,
  architectureSchema,
  type Weight,
  type WeightSpec,
  sampleShapeOf,
} from "../../shared/models/index.ts";
import { RandomStream } from "../../shared/random/stream.ts";

const declared: Readonly<Record<string, unknown>> = {
  mlp: { architecture: "mlp", input: [4, 3, 1], hidden: [7, 5], classes: 4 },
  "mlp without hidden layers": { architecture: "mlp", input: [6], hidden: [], classes: 3 },
  cnn: { architecture: "cnn", input: [22, 19, 2], channels: [3, 4, 5], hidden: [6], classes: 4 },
  "cnn, two dense layers": { architecture: "cnn", input: [8, 8, 1], channels: [3, 4], hidden: [6, 5], classes: 3 },
  lenet: { architecture: "lenet", input: [10, 9, 1], channels: [3, 4], classes: 4 },
  "lenet with dense layers": { architecture: "lenet", input: [8, 8, 2], channels: [2, 3], hidden: [5], classes: 3 },
  "vgg 11": { architecture: "vgg", input: [8, 8, 2], depth: 11, norm: "none", width: 1 / 64, pools: 3, classes: 4 },
  "vgg 13, layer norm": {
    architecture: "vgg",
    input: [8, 8, 1],
    depth: 13,
    norm: "layer",
    width: 1 / 32,
    pools: 2,
    hidden: [5],
    classes: 3,
  },
  "vgg 16, batch norm": {
    architecture: "vgg",
    input: [8, 8, 1],
    depth: 16,
    norm: "batch",
    width: 1 / 64,
    pools: 2,
    classes: 3,
  },
  resnet: { architecture: "resnet", input: [8, 7, 2], depth: 8, norm: "none", width: 3, classes: 4 },
  "resnet, layer norm": {
    architecture: "resnet",
    input: [7, 8, 2],
    depth: 14,
    norm: "layer",
    width: 3,
    shortcut: "conv3x3",
    classes: 4,
  },
  "resnet, batch norm": { architecture: "resnet", input: [8, 8, 2], depth: 8, norm: "batch", width: 3, classes: 4 },
  "resnet, padding shortcuts": {
    architecture: "resnet",
    input: [9, 8, 1],
    depth: 8,
    norm: "batch",
    width: 3,
    shortcut: "pad",
    classes: 4,
  },
  vit: { architecture: "vit", input: [6, 4, 2], patch: 2, width: 8, depth: 2, heads: 2, mlpRatio: 1.5, classes: 4 },
  "vit, mean pooling": {
    architecture: "vit",
    input: [4, 4, 1],
    patch: 2,
    width: 6,
    depth: 1,
    heads: 3,
    mlpRatio: 2,
    pooling: "mean",
    classes: 3,
  },
  "transformer, causal": {
    architecture: "transformer",
    vocabulary: 7,
    length: 5,
    width: 8,
    depth: 2,
    heads: 2,
    mlpRatio: 2,
    causal: true,
    classes: 7,
  },
  "transformer, one class a position": {
    architecture: "transformer",
    vocabulary: 7,
    length: 4,
    width: 6,
    depth: 1,
    heads: 3,
    mlpRatio: 2,
    causal: false,
    classes: 3,
  },
  "transformer, one class a text": {
    architecture: "transformer",
    vocabulary: 7,
    length: 5,
    width: 8,
    depth: 2,
    heads: 4,
    mlpRatio: 1,
    causal: false,
    pooling: "mean",
    classes: 3,
  },
};

/** Every architecture and option, small enough for naive loops. */
export const TINY_ARCHITECTURES: readonly (readonly [string, Architecture])[] = Object.entries(declared).map(
  ([name, options]) => [name, architectureSchema.parse(options)],
);

/** Samples that suit an architecture: numbers in ±1, or tokens. Row-major. */
export function randomSamples(architecture: Architecture, count: number, seed: bigint): Float32Array<ArrayBuffer> {
  const random = new RandomStream(seed, "samples");
  const size = sampleShapeOf(architecture).reduce((product, dimension) => product * dimension, count);
  const draw =
    architecture.architecture === "transformer"
      ? () => random.below(architecture.vocabulary)
      : () => 2 * random.uniform() - 1;
  return Float32Array.from({ length: size }, draw);
}

/**
 * Weights without the symmetries of a start: nothing is 0 or 1, and every unit differs. Scales and variances are positive.
 */
export function randomWeights(specs: readonly Pick<WeightSpec, "name" | "shape">[], seed: bigint): Map<string, Weight> {
  return new Map(
    specs.map(({ name, shape }) => {
      const random = new RandomStream(seed, name);
      const size = shape.reduce((product, dimension) => product * dimension, 1);
      const fanIn = shape.length < 2 ? 1 : size / (shape.at(-1) ?? 1);
      const isScale = /\/(gamma|moving_variance)$/.test(name);
      const isVector = shape.length < 2;
      const draw = () =>
        isScale ? 0.5 + random.uniform() : random.normal() * (isVector ? 0.2 : Math.sqrt(1.5 / fanIn));
      return [name, { shape, values: Float32Array.from({ length: size }, draw) }];
    }),
  );
}
