import type { RegressionShard, Shard, ValidationShard } from "../../shared/evaluation/shard.ts";
import {
  type Architecture,
  labelsPerSampleOf,
  sampleShapeOf,
  type Weights,
  weightShapes,
} from "../../shared/models/index.ts";
import { RandomStream } from "../../shared/random/stream.ts";
import { randomSamples, randomWeights } from "./tiny-architectures.ts";

/** Random models of one architecture, far enough from each other that loss and accuracy move between them. */
export function randomModels(architecture: Architecture, count: number): Weights[] {
  return Array.from({ length: count }, (_, index) => randomWeights(weightShapes(architecture), BigInt(index + 1)));
}

/** Random samples of an architecture with random labels. */
export function randomShard(architecture: Architecture, count: number, seed = 5n): Shard {
  const random = new RandomStream(seed, "labels");
  return {
    count,
    inputShape: sampleShapeOf(architecture),
    x: randomSamples(architecture, count, seed),
    scale: 1,
    offset: 0,
    y: Int32Array.from({ length: count * labelsPerSampleOf(architecture) }, () => random.below(architecture.classes)),
  };
}

/** Random samples of an architecture with a number to be predicted for each of its outputs. */
export function randomRegression(architecture: Architecture, count: number, seed = 5n): RegressionShard {
  const random = new RandomStream(seed, "targets");
  const { y: _labels, ...inputs } = randomShard(architecture, count, seed);
  const targetShape = [architecture.classes];
  return {
    ...inputs,
    targetShape,
    targets: Float32Array.from({ length: count * architecture.classes }, () => random.normal()),
  };
}

/** The samples from `begin` up to `end`. */
export function sliceShard<Of extends ValidationShard>(shard: Of, begin: number, end: number): Of {
  const cut = <Values extends Float32Array | Int32Array | Uint8Array>(values: Values): Values => {
    const each = values.length / shard.count;
    return values.slice(begin * each, end * each) as Values;
  };
  return {
    ...shard,
    count: end - begin,
    x: cut(shard.x),
    ...("targets" in shard ? { targets: cut(shard.targets) } : { y: cut(shard.y) }),
  };
}

/** Cuts a shard into pieces of the sizes given, and a last one with the rest. */
export function cutShard<Of extends ValidationShard>(shard: Of, sizes: readonly number[]): Of[] {
  let begin = 0;
  const pieces = sizes.map((size) => {
    begin += size;
    return sliceShard(shard, begin - size, begin);
  });
  return begin < shard.count ? [...pieces, sliceShard(shard, begin, shard.count)] : pieces;
}
