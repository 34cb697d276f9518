import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { predictorOf } from "../../../shared/evaluation/evaluable.ts";
import { evaluateShard, evaluateShardAsync } from "../../../shared/evaluation/evaluate.ts";
import { decodeShard, encodeShard, labelsPerSample, type Shard } from "../../../shared/evaluation/shard.ts";
import { meansOf } from "../../../shared/evaluation/sums.ts";
import {
  type Architecture,
  architectureSchema,
  assignWeights,
  buildModel,
  type Weights,
  weightSpecs,
} from "../../../shared/models/index.ts";
import { RandomStream } from "../../../shared/random/stream.ts";
import { encodeSafetensors } from "../../../shared/safetensors/index.ts";
import { asReference } from "../../support/reference-network/compare.ts";
import { referenceLogits } from "../../support/reference-network/networks.ts";
import { crossEntropy } from "../../support/reference-network/operations.ts";
import { randomSamples, randomWeights } from "../../support/tiny-architectures.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

const LENGTH = 5;
const COUNT = 11;
const architecture: Architecture = architectureSchema.parse({
  architecture: "transformer",
  vocabulary: 7,
  length: LENGTH,
  width: 8,
  depth: 1,
  heads: 2,
  causal: true,
  classes: 7,
});

function textShard(): Shard {
  const random = new RandomStream(1n, "labels");
  return {
    count: COUNT,
    inputShape: [LENGTH],
    x: randomSamples(architecture, COUNT, 1n),
    scale: 1,
    offset: 0,
    y: Int32Array.from({ length: COUNT * LENGTH }, () => random.below(7)),
  };
}

describe("a shard of sequences", () => {
  it("reads back as written, with a label for every position", () => {
    const shard = textShard();
    expect(decodeShard(encodeShard(shard))).toEqual(shard);
    expect(labelsPerSample(decodeShard(encodeShard(shard)))).toBe(LENGTH);
  });

  it.each([
    [[2, 1], "one label a position of one"],
    [[2, 0], "no labels"],
    [[2, 2, 2], "labels in three dimensions"],
    [[3, 2], "one sequence of labels too many"],
  ])("is refused with y %j: %s", (shape) => {
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    const file = encodeSafetensors(
      new Map([
        ["x", { dtype: "F32" as const, shape: [2, 2], data: new Uint8Array(16) }],
        ["y", { dtype: "I32" as const, shape, data: new Uint8Array(4 * size) }],
      ]),
      {},
    );
    expect(() => decodeShard(file)).toThrow(expect.objectContaining({ code: "invalid-shard" }));
  });
});

describe("the evaluation of a language model", () => {
  let weights: Weights;
  beforeAll(async () => {
    await wasmEngine();
    const model = buildModel(architecture);
    weights = randomWeights(weightSpecs(model), 2n);
    model.dispose();
  });

  const withModel = <Result>(use: (model: ReturnType<typeof buildModel>) => Result): Result => {
    const model = buildModel(architecture);
    assignWeights(model, weights);
    try {
      return use(model);
    } finally {
      model.dispose();
    }
  };

  it("counts tokens, and has the mean loss and accuracy of all of them", () => {
    const shard = textShard();
    const sums = withModel((model) => evaluateShard(predictorOf(model), shard));
    const logits = referenceLogits(architecture, asReference(weights), {
      shape: [COUNT, LENGTH],
      data: Float64Array.from(shard.x),
    });
    const correct = shard.y.reduce((count, label, row) => {
      const scores = logits.data.subarray(row * 7, row * 7 + 7);
      return count + (scores.indexOf(Math.max(...scores)) === label ? 1 : 0);
    }, 0);
    expect(sums.count).toBe(COUNT * LENGTH);
    expect(sums.correct).toBe(correct);
    expect(meansOf(sums).loss).toBeCloseTo(crossEntropy(logits, shard.y), 5);
  });

  it("does not depend on the batch, nor on whether it waits", async () => {
    const shard = textShard();
    const whole = withModel((model) => evaluateShard(predictorOf(model), shard));
    const cut = withModel((model) => evaluateShard(predictorOf(model), shard, 2));
    expect(cut.lossSum).toBeCloseTo(whole.lossSum, 5);
    expect(cut).toMatchObject({ correct: whole.correct, count: whole.count });
    const before = tf.memory().numTensors;
    const model = buildModel(architecture);
    assignWeights(model, weights);
    expect(await evaluateShardAsync(predictorOf(model), shard, 2)).toEqual(cut);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses labels that are one a sample, too large, or of other sequences", () => {
    const shard = textShard();
    for (const wrong of [
      { ...shard, y: shard.y.slice(0, COUNT) },
      { ...shard, y: shard.y.map((label, index) => (index === 17 ? 7 : label)) },
      { ...shard, inputShape: [LENGTH - 1] },
    ]) {
      expect(() => withModel((model) => evaluateShard(predictorOf(model), wrong))).toThrow(
        expect.objectContaining({ code: "incompatible-dataset" }),
      );
    }
  });
});
