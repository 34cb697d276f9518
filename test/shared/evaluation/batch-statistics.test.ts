import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { beforeAll, describe, expect, it } from "vitest";
import { assignStatistics, recomputeStatistics } from "../../../shared/evaluation/batch-statistics.ts";
import { evaluableOfLayersModel, evaluableOf } from "../../../shared/evaluation/evaluable.ts";
import type { RegressionShard } from "../../../shared/evaluation/shard.ts";
import { architectureSchema } from "../../../shared/models/index.ts";
import { RandomStream } from "../../../shared/random/stream.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

const random = new RandomStream(7n, "samples");
/** Values around 1000 with a deviation of 1: where E[x²] - E[x]² in float32 would be noise. */
const calibration: RegressionShard = {
  count: 37,
  inputShape: [4, 3],
  x: Float32Array.from({ length: 37 * 12 }, () => 1000 + random.normal()),
  scale: 1,
  offset: 0,
  targetShape: [4, 3],
  targets: new Float32Array(37 * 12),
};

beforeAll(async () => void (await wasmEngine()));

/** Mean and biased variance of the channels of [37, 4, 3] along an axis, in float64. */
function momentsAlong(axis: 1 | 2): { mean: number[]; variance: number[] } {
  const values: number[][] = Array.from({ length: axis === 1 ? 4 : 3 }, () => []);
  for (const [index, value] of calibration.x.entries()) {
    const channel = axis === 1 ? Math.floor(index / 3) % 4 : index % 3;
    values[channel]?.push(value);
  }
  const mean = values.map((own) => own.reduce((sum, value) => sum + value, 0) / own.length);
  const variance = values.map(
    (own, channel) => own.reduce((sum, value) => sum + (value - (mean[channel] ?? 0)) ** 2, 0) / own.length,
  );
  return { mean, variance };
}

describe("recomputed statistics", () => {
  it.each([1, 2] as const)("are exact along axis %i, whatever the batch", (axis) => {
    const layer = tfl.layers.batchNormalization({ inputShape: [4, 3], axis, name: "norm" });
    const evaluable = evaluableOfLayersModel(tfl.sequential({ layers: [layer] }));
    const expected = momentsAlong(axis);
    try {
      for (const batch of [1, 5, 36, 37, 100]) {
        const statistics = recomputeStatistics(evaluable, calibration, batch);
        expect([...statistics.keys()].map((name) => name.split("/").at(-1))).toEqual([
          "moving_mean",
          "moving_variance",
        ]);
        const [mean, variance] = [...statistics.values()];
        expect(mean).toEqual(Float32Array.from(expected.mean));
        for (const [channel, value] of variance?.entries() ?? []) {
          expect(Math.abs(value / (expected.variance[channel] ?? 0) - 1)).toBeLessThan(1e-6);
        }
        expect(evaluable.normalizations[0]?.movingMean.dataSync()).toEqual(mean);
        expect(evaluable.normalizations[0]?.movingVariance.dataSync()).toEqual(variance);
      }
    } finally {
      evaluable.dispose();
    }
  });

  it("of a later layer follow from those that the earlier ones have just got", () => {
    const layers = [
      tfl.layers.batchNormalization({ inputShape: [4, 3], name: "first", epsilon: 0 }),
      tfl.layers.batchNormalization({ name: "second", epsilon: 0 }),
    ];
    const evaluable = evaluableOfLayersModel(tfl.sequential({ layers }));
    try {
      const [, , mean, variance] = [...recomputeStatistics(evaluable, calibration, 10).values()];
      // What comes out of the first is standard.
      for (const value of mean ?? []) expect(Math.abs(value)).toBeLessThan(1e-3);
      for (const value of variance ?? []) expect(Math.abs(value - 1)).toBeLessThan(1e-3);
    } finally {
      evaluable.dispose();
    }
  });

  it("can be given to the model again, and to no other", () => {
    const build = (channels: number) =>
      evaluableOfLayersModel(
        tfl.sequential({ layers: [tfl.layers.batchNormalization({ inputShape: [4, channels], name: "norm" })] }),
        (name) => name.replace(/^.*\//, "norm/"),
      );
    const [one, same, other] = [build(3), build(3), build(2)];
    try {
      const statistics = recomputeStatistics(one, calibration);
      assignStatistics(same, statistics);
      expect(same.normalizations[0]?.movingMean.dataSync()).toEqual(one.normalizations[0]?.movingMean.dataSync());
      expect(() => assignStatistics(other, statistics)).toThrow(RangeError);
      expect(() => assignStatistics(same, new Map())).toThrow(RangeError);
    } finally {
      for (const evaluable of [one, same, other]) evaluable.dispose();
    }
  });

  it("are none where nothing is normalised over batches", () => {
    const evaluable = evaluableOf(
      architectureSchema.parse({ architecture: "mlp", input: [4, 3], hidden: [2], classes: 2 }),
    );
    expect(recomputeStatistics(evaluable, calibration).size).toBe(0);
    evaluable.dispose();
  });

  it("are refused on samples that do not fit, and where a layer's input is not finite", () => {
    const evaluable = evaluableOf(
      architectureSchema.parse({
        architecture: "vgg",
        input: [2, 2, 3],
        depth: 11,
        norm: "batch",
        width: 1 / 64,
        pools: 1,
        classes: 2,
      }),
    );
    try {
      const before = tf.memory().numTensors;
      expect(() => recomputeStatistics(evaluable, calibration)).toThrow(
        expect.objectContaining({ code: "incompatible-dataset" }),
      );
      const images = { ...calibration, inputShape: [2, 2, 3] };
      tf.tidy(() => evaluable.specs[0]?.variable.assign(tf.fill([3, 3, 3, 1], Infinity)));
      expect(() => recomputeStatistics(evaluable, images)).toThrow(
        expect.objectContaining({ code: "non-finite-values", members: { layer: "norm_0" } }),
      );
      expect(tf.memory().numTensors).toBe(before);
    } finally {
      evaluable.dispose();
    }
  });
});
