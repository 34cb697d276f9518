import { evaluableOf } from "../../shared/evaluation/evaluable.ts";
import { evaluateShard } from "../../shared/evaluation/evaluate.ts";
import { alphaGrid, pathGrid } from "../../shared/evaluation/grids.ts";
import { Mixture } from "../../shared/evaluation/mixture.ts";
import { evaluateGrid } from "../../shared/evaluation/probe.ts";
import { barrierOfPath } from "../../shared/evaluation/barrier.ts";
import type { Shard } from "../../shared/evaluation/shard.ts";
import { meansOf } from "../../shared/evaluation/sums.ts";
import type { Architecture } from "../../shared/models/architecture.ts";
import { decodeWeights, type Weight, type Weights } from "../../shared/models/index.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import type { MeasuredPath, Measurement, Quality } from "./measurement.ts";

/** Points of a path, as everywhere by default. */
const GRID = 11;

/**
 * Measures a family on the current tfjs backend: each member, the path between the first two, and the plain averages of
 * the first 2, 3, … members.
 * @param files two or more checkpoints of one architecture
 */
export function measureFamily(
  architecture: Architecture,
  files: readonly Uint8Array<ArrayBuffer>[],
  samples: Shard,
): Pick<Measurement, "members" | "path" | "means"> {
  const members = files.map(readWeights);
  const [first, second] = members;
  if (first === undefined || second === undefined) throw new RangeError("a family has two members or more");
  const evaluable = evaluableOf(architecture);
  const withMixture = <Result>(endpoints: readonly Weights[], measure: (mixture: Mixture) => Result): Result => {
    const mixture = new Mixture(evaluable, endpoints);
    try {
      return measure(mixture);
    } finally {
      mixture.dispose();
    }
  };
  const quality = (weights: Weights): Quality =>
    withMixture([weights], (mixture) => {
      mixture.moveTo([1]);
      return meansOf(evaluateShard(evaluable, samples));
    });
  try {
    return {
      members: members.map(quality),
      path: withMixture([first, second], (mixture) => measurePath(mixture, samples)),
      means: members.slice(1).map((_, index) => {
        const models = index + 2;
        return { models, ...quality(averageOf(members.slice(0, models))) };
      }),
    };
  } finally {
    evaluable.dispose();
  }
}

function measurePath(mixture: Mixture, samples: Shard): MeasuredPath {
  const grid = pathGrid(alphaGrid(GRID));
  const points = evaluateGrid(mixture, grid, samples).map((sums, index) => ({
    alpha: grid.alphas[index] ?? Number.NaN,
    ...meansOf(sums),
  }));
  return { ...barrierOfPath(points), points, samples: samples.y.length };
}

function readWeights(file: Uint8Array<ArrayBuffer>): Weights {
  const { header, bytes } = decodeSafetensors(file);
  return decodeWeights(header, bytes);
}

/** The mean of each weight, summed in float64 and rounded once, as a linear fusion has it. */
export function averageOf(members: readonly Weights[]): Map<string, Weight> {
  const [first] = members;
  return new Map(
    Array.from(first ?? [], ([name, { shape, values }]) => {
      const sums = new Float64Array(values.length);
      for (const member of members) {
        const own = member.get(name)?.values;
        if (own?.length !== sums.length) throw new RangeError(`${name} is not alike in all members`);
        own.forEach((value, index) => (sums[index] = (sums[index] ?? 0) + value));
      }
      return [name, { shape, values: Float32Array.from(sums, (sum) => sum / members.length) }];
    }),
  );
}
