import { alphaGrid, type PathGrid, pathGrid } from "../../shared/evaluation/grids.ts";
import { encodeShard, type Shard } from "../../shared/evaluation/shard.ts";
import {
  type Architecture,
  architectureSchema,
  buildModel,
  initialWeights,
  parameterCount,
  type Weights,
} from "../../shared/models/index.ts";
import { RandomStream } from "../../shared/random/stream.ts";
import { encodeSafetensors } from "../../shared/safetensors/index.ts";

/** Two convolutional networks of 122 570 parameters, 2000 images of 32 x 32 x 3 in four shards, eleven points. */
export interface ProbeCase {
  readonly architecture: Architecture;
  readonly parameters: number;
  readonly ends: readonly [Weights, Weights];
  readonly shards: readonly Shard[];
  readonly grid: PathGrid;
  /** Forward passes of one image each. */
  readonly passes: number;
}

const IMAGES = 2000;
const SHARDS = 4;
const POINTS = 11;

/** Needs a tfjs backend. Weights and images are random; how long a forward pass takes does not depend on them. */
export function probeCase(): ProbeCase {
  const architecture = architectureSchema.parse({ architecture: "cnn", input: [32, 32, 3], classes: 10 });
  const model = buildModel(architecture);
  const ends = [initialWeights(model, 1n), initialWeights(model, 2n)] as const;
  model.dispose();
  const shards = Array.from({ length: SHARDS }, (_, index) => randomShard(IMAGES / SHARDS, index));
  const grid = pathGrid(alphaGrid(POINTS));
  return { architecture, parameters: parameterCount(architecture), ends, shards, grid, passes: IMAGES * POINTS };
}

function randomShard(count: number, seed: number): Shard {
  const stream = new RandomStream(BigInt(seed), "bench/images");
  const x = new Uint8Array(count * 32 * 32 * 3);
  for (let index = 0; index < x.length; index++) x[index] = Math.floor(256 * stream.uniform());
  return {
    count,
    inputShape: [32, 32, 3],
    x,
    scale: 1 / 255,
    offset: 0,
    y: Int32Array.from({ length: count }, (_, index) => index % 10),
  };
}

/** A checkpoint of the weights. */
export function checkpointOf(architecture: Architecture, weights: Weights): Uint8Array<ArrayBuffer> {
  const tensors = Array.from(weights, ([name, { shape, values }]) => {
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return [name, { dtype: "F32" as const, shape: [...shape], data }] as const;
  });
  return encodeSafetensors(new Map(tensors), { "edgefuse.model": JSON.stringify(architecture) });
}

export const shardFile = (shard: Shard): Uint8Array<ArrayBuffer> => encodeShard(shard);
