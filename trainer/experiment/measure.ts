import { alphaGrid } from "../../shared/evaluation/barrier.ts";
import { evaluateShard, meansOf } from "../../shared/evaluation/evaluate.ts";
import { LinearPath, probeShard, reportPath } from "../../shared/evaluation/probe.ts";
import type { Shard } from "../../shared/evaluation/shard.ts";
import type { Architecture } from "../../shared/models/architecture.ts";
import { assignWeights, buildModel, decodeWeights, type Weight, type Weights } from "../../shared/models/index.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import type { Measurement, Quality } from "./measurement.ts";

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
  const alphas = alphaGrid(GRID);
  const path = new LinearPath(architecture, first, second);
  let pathReport;
  try {
    pathReport = reportPath(alphas, [probeShard(path, samples, alphas)]);
  } finally {
    path.dispose();
  }
  const model = buildModel(architecture);
  const quality = (weights: Weights): Quality => {
    assignWeights(model, weights);
    return meansOf(evaluateShard(model, samples));
  };
  try {
    return {
      members: members.map(quality),
      path: pathReport,
      means: members.slice(1).map((_, index) => {
        const models = index + 2;
        return { models, ...quality(averageOf(members.slice(0, models))) };
      }),
    };
  } finally {
    model.dispose();
  }
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
