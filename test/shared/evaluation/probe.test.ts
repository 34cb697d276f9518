import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { evaluableOf } from "../../../shared/evaluation/evaluable.ts";
import { evaluateShard } from "../../../shared/evaluation/evaluate.ts";
import { alphaGrid, type Grid, matrixGrid, meanGrid, pathGrid, planeGrid } from "../../../shared/evaluation/grids.ts";
import { type Mixture, mixtureOf } from "../../../shared/evaluation/mixture.ts";
import { evaluateGrid, recomputeGrid } from "../../../shared/evaluation/probe.ts";
import type { Shard, ValidationShard } from "../../../shared/evaluation/shard.ts";
import { type ClassificationSums, type EvaluationSums, meansOf, mergeShards } from "../../../shared/evaluation/sums.ts";
import { type Architecture, architectureSchema } from "../../../shared/models/index.ts";
import { cutShard, randomModels, randomRegression, randomShard } from "../../support/probe-data.ts";
import { mixedWeights, recalibrated, referenceQuality, samplesOf } from "../../support/reference-network/probe.ts";
import { referenceLogits } from "../../support/reference-network/networks.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

const PATH = pathGrid(alphaGrid(11));
const MLP = architectureSchema.parse({ architecture: "mlp", input: [3, 2, 1], hidden: [9, 7], classes: 4 });
const CNN = architectureSchema.parse({
  architecture: "cnn",
  input: [10, 9, 2],
  channels: [4, 5],
  hidden: [6],
  classes: 4,
});
const NORMALIZED_CNN = architectureSchema.parse({
  architecture: "vgg",
  input: [8, 8, 2],
  depth: 11,
  norm: "batch",
  width: 1 / 32,
  pools: 2,
  classes: 4,
});
const NORMALIZED_RESNET = architectureSchema.parse({
  architecture: "resnet",
  input: [8, 8, 2],
  depth: 8,
  norm: "batch",
  width: 3,
  classes: 4,
});

beforeAll(async () => void (await wasmEngine()));

function withMixture<Result>(architecture: Architecture, endpoints: number, use: (mixture: Mixture) => Result): Result {
  const mixture = mixtureOf(architecture, randomModels(architecture, endpoints));
  try {
    return use(mixture);
  } finally {
    mixture.dispose();
  }
}

/** Every point of a grid against float64: loss within 1e-5 relative, accuracy equal. */
function expectAsReference(
  architecture: Architecture,
  grid: Grid,
  sums: readonly ClassificationSums[],
  shard: Shard,
  calibration?: ValidationShard,
): void {
  const endpoints = randomModels(architecture, grid.endpoints);
  const reference = grid.points.map((coefficients) => {
    const weights = mixedWeights(endpoints, coefficients);
    const used = calibration === undefined ? weights : recalibrated(architecture, weights, calibration);
    return referenceQuality(architecture, used, shard);
  });
  for (const [index, expected] of reference.entries()) {
    const found = sums[index];
    if (found === undefined) throw new Error(`point ${index} is missing`);
    const { loss, accuracy } = meansOf(found);
    expect(Math.abs(loss - expected.loss)).toBeLessThan(1e-5 * expected.loss);
    expect(accuracy).toBe(expected.accuracy);
    const both = grid.members.map((member) => {
      const right = reference[member]?.right ?? [];
      return expected.right.filter((isRight, label) => isRight && right[label] === true).length;
    });
    expect(found.correctWith).toEqual(both);
    for (const [label, { correct, count }] of found.classes.entries()) {
      expect(count).toBe(shard.y.filter((own) => own === label).length);
      expect(correct).toBe(shard.y.filter((own, place) => own === label && expected.right[place] === true).length);
    }
  }
  const losses = reference.map(({ loss }) => loss);
  expect(Math.max(...losses) - Math.min(...losses)).toBeGreaterThan(0.01);
}

describe("a grid evaluated on the WASM backend", () => {
  it.each([
    ["a perceptron", MLP],
    ["a convolutional network", CNN],
    ["a batch-normalised convolutional network", NORMALIZED_CNN],
    ["a batch-normalised residual network", NORMALIZED_RESNET],
  ])("agrees with float64 at every point of a path between two of %s", (_, architecture) => {
    const shard = randomShard(architecture, 60);
    const sums = withMixture(architecture, 2, (mixture) => evaluateGrid(mixture, PATH, shard));
    expectAsReference(architecture, PATH, sums, shard);
  });

  it.each([
    ["a batch-normalised convolutional network", NORMALIZED_CNN],
    ["a batch-normalised residual network", NORMALIZED_RESNET],
  ])("agrees with float64 with recomputed statistics of %s, whatever the batch", (_, architecture) => {
    const shard = randomShard(architecture, 60);
    const calibration = randomShard(architecture, 40, 9n);
    const batches = [40, 7].map((batch) =>
      withMixture(architecture, 2, (mixture) => recomputeGrid(mixture, PATH, calibration, { batch })),
    );
    const [statistics, others] = batches;
    for (const [point, own] of (statistics ?? []).entries()) {
      for (const [name, values] of own) {
        for (const [index, value] of values.entries()) {
          expect(others?.[point]?.get(name)?.[index]).toBeCloseTo(value, 4);
        }
      }
    }
    if (statistics === undefined) throw new Error("there are two batch sizes");
    const sums = withMixture(architecture, 2, (mixture) => evaluateGrid(mixture, PATH, shard, { statistics }));
    expectAsReference(architecture, PATH, sums, shard, calibration);
    const interpolated = withMixture(architecture, 2, (mixture) => evaluateGrid(mixture, PATH, shard));
    expect(interpolated[0]?.lossSum).not.toBeCloseTo(sums[0]?.lossSum ?? 0, 1);
  });

  it.each([
    ["mean of four models and their pairs", meanGrid(4, 1)],
    ["matrix of three models at three inner points", matrixGrid(3, 3)],
    ["plane through three models", planeGrid(4, 0.25)],
  ] as const)("agrees with float64 on the %s", (_, grid) => {
    const shard = randomShard(MLP, 50);
    const sums = withMixture(MLP, grid.endpoints, (mixture) => evaluateGrid(mixture, grid, shard));
    expectAsReference(MLP, grid, sums, shard);
  });

  it("adds up squared errors where samples have targets", () => {
    const shard = randomRegression(MLP, 50);
    const endpoints = randomModels(MLP, 2);
    const sums = withMixture(MLP, 2, (mixture) => evaluateGrid(mixture, PATH, shard));
    for (const [index, found] of sums.entries()) {
      const outputs = referenceLogits(MLP, mixedWeights(endpoints, PATH.points[index] ?? []), samplesOf(shard)).data;
      const squared = outputs.reduce((sum, value, place) => sum + (value - (shard.targets[place] ?? 0)) ** 2, 0);
      expect(found).toMatchObject({ task: "regression", count: 200 });
      expect(meansOf(found)).toMatchObject({ accuracy: null });
      expect(Math.abs(meansOf(found).loss - squared / 200)).toBeLessThan((1e-5 * squared) / 200);
    }
  });
});

describe("samples cut into shards and batches", () => {
  const cuts: readonly (readonly [string, readonly number[], number | undefined])[] = [
    ["three shards", [50, 50], undefined],
    ["ten shards", Array.from({ length: 9 }, () => 15), undefined],
    ["uneven shards", [1, 89, 2], undefined],
    ["batches of one", [], 1],
    ["uneven shards in batches of 16", [33, 100], 16],
  ];
  const probe = (architecture: Architecture, shards: readonly ValidationShard[], batch?: number) =>
    withMixture(architecture, 2, (mixture) =>
      mergeShards<EvaluationSums>(
        shards.map((shard) => evaluateGrid(mixture, PATH, shard, batch === undefined ? {} : { batch })),
      ),
    );

  it.each(cuts)("change no count, and no loss by more than rounding: %s", (_, sizes, batch) => {
    for (const architecture of [MLP, CNN, NORMALIZED_RESNET]) {
      const shard = randomShard(architecture, 150);
      const whole = probe(architecture, [shard]);
      const cut = probe(architecture, cutShard(shard, sizes), batch);
      for (const [index, own] of cut.entries()) {
        const other = whole[index];
        if (other?.task !== "classification" || own.task !== "classification") throw new Error("not classified");
        const { lossSum, ...counts } = own;
        const { lossSum: wholeSum, ...wholeCounts } = other;
        expect(counts).toEqual(wholeCounts);
        expect(Math.abs(lossSum - wholeSum) / own.count).toBeLessThan(1e-6);
      }
    }
  });

  it("change no squared error either", () => {
    const shard = randomRegression(MLP, 150);
    const [whole, cut] = [probe(MLP, [shard]), probe(MLP, cutShard(shard, [7, 80]), 13)];
    for (const [index, own] of cut.entries()) {
      const { loss } = meansOf(whole[index] ?? own);
      expect(Math.abs(meansOf(own).loss - loss)).toBeLessThan(1e-6 * loss);
      expect(own.count).toBe(600);
    }
  });
});

describe("evaluateGrid", () => {
  it("tells of every point once, in order", () => {
    for (const grid of [PATH, meanGrid(3, 1)]) {
      const told: [number, number][] = [];
      withMixture(MLP, grid.endpoints, (mixture) =>
        evaluateGrid(mixture, grid, randomShard(MLP, 5), { onPoint: (done, points) => told.push([done, points]) }),
      );
      expect(told).toEqual(grid.points.map((_, index) => [index + 1, grid.points.length]));
    }
  });

  it("leaves no tensor behind, also where it fails", () => {
    const before = tf.memory().numTensors;
    const shard = randomShard(NORMALIZED_RESNET, 12);
    const run = (samples: ValidationShard) =>
      withMixture(NORMALIZED_RESNET, 2, (mixture) => {
        const statistics = recomputeGrid(mixture, PATH, shard);
        return evaluateGrid(mixture, PATH, samples, { statistics, batch: 5 });
      });
    run(shard);
    expect(tf.memory().numTensors).toBe(before);
    expect(() => run({ ...shard, y: shard.y.map(() => 4) })).toThrow(
      expect.objectContaining({ code: "incompatible-dataset" }),
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses statistics of another grid", () => {
    withMixture(NORMALIZED_RESNET, 2, (mixture) => {
      const shard = randomShard(NORMALIZED_RESNET, 4);
      const statistics = recomputeGrid(mixture, pathGrid([0, 1]), shard);
      expect(() => evaluateGrid(mixture, PATH, shard, { statistics })).toThrow(RangeError);
    });
  });
});

describe("evaluateShard", () => {
  const evaluate = (shard: ValidationShard, spoil?: (value: number) => tf.Tensor) => {
    const evaluable = evaluableOf(MLP);
    try {
      if (spoil !== undefined) evaluable.specs.at(-1)?.variable.assign(spoil(4));
      return evaluateShard(evaluable, shard);
    } finally {
      evaluable.dispose();
    }
  };
  const shard = randomShard(MLP, 12);

  it.each([
    ["samples of another shape", { ...shard, inputShape: [6] }, "Samples are [6]"],
    ["a label beyond the classes", { ...shard, y: shard.y.map((y, place) => (place === 7 ? 4 : y)) }, "Label 7 is 4"],
    ["several labels a sample", { ...shard, y: Int32Array.from([...shard.y, ...shard.y]) }, "2 labels each"],
    ["targets of another size", { ...randomRegression(MLP, 12), targetShape: [2] }, "Targets are [2]"],
  ])("refuses %s", (_, wrong, message) => {
    expect(() => evaluate(wrong)).toThrow(
      expect.objectContaining({
        code: "incompatible-dataset",
        message: expect.stringContaining(message) as string,
      }),
    );
  });

  it.each([Number.NaN, Infinity, -Infinity])("refuses outputs of %d", (value) => {
    for (const samples of [shard, randomRegression(MLP, 12)]) {
      expect(() => evaluate(samples, (size) => tf.fill([size], value))).toThrow(
        expect.objectContaining({ code: "non-finite-values" }),
      );
    }
  });

  it("takes bytes by their scale and offset", () => {
    const bytes = {
      ...shard,
      x: Uint8Array.from(shard.x, (value) => 128 + 100 * value),
      scale: 1 / 100,
      offset: -1.28,
    };
    const floats = { ...shard, x: Float32Array.from(bytes.x, (value) => value / 100 - 1.28) };
    const [a, b] = withMixture(MLP, 1, (mixture) => {
      mixture.moveTo([1]);
      return [bytes, floats].map((one) => evaluateShard(mixture.evaluable, one));
    });
    expect(a?.correct).toBe(b?.correct);
    expect(a?.lossSum).toBeCloseTo(b?.lossSum ?? 0, 4);
  });
});
