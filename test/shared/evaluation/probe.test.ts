import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { alphaGrid } from "../../../shared/evaluation/barrier.ts";
import { evaluateShard } from "../../../shared/evaluation/evaluate.ts";
import { LinearPath, probeShard, reportPath } from "../../../shared/evaluation/probe.ts";
import type { Shard } from "../../../shared/evaluation/shard.ts";
import {
  type Architecture,
  buildModel,
  initialWeights,
  type Weights,
  weightSpecs,
} from "../../../shared/models/index.ts";
import { RandomStream } from "../../../shared/random/stream.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

const ARCHITECTURE = { architecture: "mlp", input: [3, 2, 1], hidden: [9, 7], classes: 4 } satisfies Architecture;
const ALPHAS = alphaGrid(11);

/** Forward pass and mean cross-entropy in float64, written from the formulas alone. */
function oracle(
  a: Weights,
  b: Weights,
  alpha: number,
  { count, x, y, scale, offset }: Shard,
): { loss: number; accuracy: number } {
  const weight = (name: string) => {
    const from = a.get(name)?.values ?? [];
    const to = b.get(name)?.values ?? [];
    return Array.from(from, (value, index) => (1 - alpha) * value + alpha * (to[index] ?? Number.NaN));
  };
  const names = ["hidden_0", "hidden_1", "output"];
  let loss = 0;
  let correct = 0;
  for (let sample = 0; sample < count; sample++) {
    let signal = Array.from(x.slice(sample * 6, sample * 6 + 6), (value) => value * scale + offset);
    for (const name of names) {
      const kernel = weight(`${name}/kernel`);
      const bias = weight(`${name}/bias`);
      const sums = bias.map((start, unit) =>
        signal.reduce((sum, value, i) => sum + value * (kernel[i * bias.length + unit] ?? Number.NaN), start),
      );
      signal = name === "output" ? sums : sums.map((value) => Math.max(0, value));
    }
    const label = y[sample] ?? -1;
    loss += Math.log(signal.reduce((sum, logit) => sum + Math.exp(logit), 0)) - (signal[label] ?? Number.NaN);
    if (signal.indexOf(Math.max(...signal)) === label) correct++;
  }
  return { loss: loss / count, accuracy: correct / count };
}

function randomShard(count: number): Shard {
  const random = new RandomStream(5n, "shard");
  return {
    count,
    inputShape: [3, 2, 1],
    x: Uint8Array.from({ length: count * 6 }, () => random.below(256)),
    scale: 1 / 64,
    offset: -2,
    y: Int32Array.from({ length: count }, () => random.below(4)),
  };
}

function slice(shard: Shard, begin: number, end: number): Shard {
  return { ...shard, count: end - begin, x: shard.x.slice(begin * 6, end * 6), y: shard.y.slice(begin, end) };
}

describe("a probe of two models", () => {
  let a: Weights;
  let b: Weights;
  const shard = randomShard(131);

  beforeAll(async () => {
    await wasmEngine();
    const model = buildModel(ARCHITECTURE);
    // Large enough weights that loss and accuracy move along the path.
    const large = (seed: bigint) =>
      new Map(
        Array.from(initialWeights(model, seed), ([name, { shape, values }]) => [
          name,
          { shape, values: values.map((value) => 3 * value) },
        ]),
      );
    a = large(1n);
    b = large(2n);
    model.dispose();
  });

  const probe = (shards: readonly Shard[], batch?: number) => {
    const path = new LinearPath(ARCHITECTURE, a, b);
    try {
      return reportPath(
        ALPHAS,
        shards.map((one) => probeShard(path, one, ALPHAS, batch)),
      );
    } finally {
      path.dispose();
    }
  };

  it("agrees with a float64 evaluation at every alpha", () => {
    const report = probe([shard]);
    expect(report.samples).toBe(131);
    for (const { alpha, loss, accuracy } of report.points) {
      const expected = oracle(a, b, alpha, shard);
      expect(Math.abs(loss - expected.loss)).toBeLessThan(1e-5 * expected.loss);
      expect(accuracy).toBe(expected.accuracy);
    }
    const losses = report.points.map(({ loss }) => loss);
    expect(Math.max(...losses) - Math.min(...losses)).toBeGreaterThan(0.1);
  });

  it("does not depend on how samples are cut into shards or batches", () => {
    const whole = probe([shard]);
    for (const [shards, batch] of [
      [[shard], 1],
      [[shard], 50],
      [[slice(shard, 0, 1), slice(shard, 1, 90), slice(shard, 90, 131)], 64],
    ] as [Shard[], number][]) {
      const other = probe(shards, batch);
      expect(other.points.map(({ accuracy }) => accuracy)).toEqual(whole.points.map(({ accuracy }) => accuracy));
      for (const [index, { loss }] of other.points.entries()) {
        expect(Math.abs(loss - (whole.points[index]?.loss ?? Number.NaN))).toBeLessThan(1e-6);
      }
    }
  });

  it("keeps equal entries bit-equal all along the path, and both ends exact", () => {
    const half = new Map(
      Array.from(b, ([name, { shape, values }]) => [
        name,
        { shape, values: values.map((value, index) => (index % 2 === 0 ? (a.get(name)?.values[index] ?? 0) : value)) },
      ]),
    );
    const path = new LinearPath(ARCHITECTURE, a, half);
    for (const alpha of [0, 0.1, 0.3, 0.7, 1]) {
      path.moveTo(alpha);
      for (const { name, variable } of weightSpecs(path.model)) {
        const values = variable.dataSync();
        const from = a.get(name)?.values ?? [];
        const to = half.get(name)?.values ?? [];
        for (let index = 0; index < values.length; index += 2) expect(values[index]).toBe(from[index]);
        if (alpha === 0) expect(Array.from(values)).toEqual(Array.from(from));
        if (alpha === 1) expect(Array.from(values)).toEqual(Array.from(to));
      }
    }
    path.dispose();
  });

  it("leaves no tensor behind, also where the weights do not fit", () => {
    probe([shard]);
    const before = tf.memory().numTensors;
    probe([shard]);
    const misfit = new Map(a);
    misfit.delete("output/bias");
    expect(() => new LinearPath(ARCHITECTURE, a, misfit)).toThrow(
      expect.objectContaining({ code: "incompatible-weights", members: { differences: ["output/bias is missing"] } }),
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses samples of another shape, labels beyond the classes, and outputs that are not numbers", () => {
    const model = buildModel(ARCHITECTURE);
    const evaluate = (change: Partial<Shard>) => () => evaluateShard(model, { ...shard, ...change });
    expect(evaluate({ inputShape: [6] })).toThrow(expect.objectContaining({ code: "incompatible-dataset" }));
    expect(evaluate({ y: shard.y.map((label, index) => (index === 7 ? 4 : label)) })).toThrow(
      expect.objectContaining({
        code: "incompatible-dataset",
        message: expect.stringContaining("Label 7 is 4") as string,
      }),
    );
    weightSpecs(model)[0]?.variable.assign(tf.fill([6, 9], Number.NaN));
    weightSpecs(model)[4]?.variable.assign(tf.fill([7, 4], Number.NaN));
    expect(evaluate({})).toThrow(expect.objectContaining({ code: "non-finite-values" }));
    model.dispose();
  });
});
