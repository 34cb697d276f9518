import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { alphaGrid, pathGrid } from "../../../shared/evaluation/grids.ts";
import { mixtureOf } from "../../../shared/evaluation/mixture.ts";
import { evaluateGrid, recomputeGrid } from "../../../shared/evaluation/probe.ts";
import type { Shard } from "../../../shared/evaluation/shard.ts";
import { meansOf } from "../../../shared/evaluation/sums.ts";
import { type Architecture, architectureSchema, type Weights } from "../../../shared/models/index.ts";
import { randomModels, randomShard } from "../../support/probe-data.ts";
import { hasPytorch, PYTHON } from "../../support/pytorch-networks.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

const GRID = pathGrid(alphaGrid(11));

interface Case {
  readonly architecture: Architecture;
  readonly ends: readonly Weights[];
  readonly shard: Shard;
  /** Where statistics are recomputed. */
  readonly calibration: Shard | undefined;
}

interface Quality {
  readonly loss: number;
  readonly accuracy: number;
}

/** Loss and accuracy at every point of each case's path, as PyTorch has them in float64. */
function askPytorch(cases: readonly Case[]): Quality[][] {
  const samples = ({ count, inputShape, x }: Shard) => ({ x: [...x], shape: [count, ...inputShape] });
  const questions = cases.map(({ architecture, ends, shard, calibration }) => ({
    architecture,
    ends: ends.map((end) =>
      Object.fromEntries(Array.from(end, ([name, { shape, values }]) => [name, { shape, values: [...values] }])),
    ),
    alphas: GRID.alphas,
    shard: { ...samples(shard), y: [...shard.y] },
    calibration: calibration === undefined ? null : samples(calibration),
  }));
  const answer = execFileSync(PYTHON, [join(import.meta.dirname, "../../support/pytorch-probe.py")], {
    input: JSON.stringify(questions),
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  return JSON.parse(answer) as Quality[][];
}

const image = { input: [14, 14, 1], classes: 10 };
const normalized = { architecture: "vgg", ...image, depth: 11, norm: "batch", width: 1 / 16, pools: 3 };
const CASES = (
  [
    ["a perceptron", { architecture: "mlp", ...image, hidden: [32, 32] }, "interpolated"],
    ["a convolutional network", { architecture: "cnn", ...image, channels: [8, 16], hidden: [24] }, "interpolated"],
    ["a batch-normalised convolutional network", normalized, "interpolated"],
    ["a batch-normalised convolutional network", normalized, "recomputed"],
  ] as const
).map(([name, declared, statistics], index) => {
  const architecture = architectureSchema.parse(declared);
  return {
    name,
    statistics,
    index,
    architecture,
    ends: randomModels(architecture, 2),
    shard: randomShard(architecture, 200),
    calibration: statistics === "recomputed" ? randomShard(architecture, 120, 11n) : undefined,
  };
});

describe.skipIf(!hasPytorch())("a path probed beside PyTorch (skipped where Python has no torch)", () => {
  let answers: Quality[][];
  beforeAll(async () => {
    await wasmEngine();
    answers = askPytorch(CASES);
  });

  it.each(CASES)("has the same loss and accuracy at every alpha: $name, statistics $statistics", (one) => {
    const { architecture, ends, shard, calibration, index: place } = one;
    const expected = answers[place] ?? [];
    expect(expected).toHaveLength(GRID.points.length);
    const mixture = mixtureOf(architecture, ends);
    try {
      const statistics =
        calibration === undefined ? {} : { statistics: recomputeGrid(mixture, GRID, calibration, { batch: 50 }) };
      const sums = evaluateGrid(mixture, GRID, shard, { batch: 64, ...statistics });
      for (const [index, own] of sums.entries()) {
        const { loss, accuracy } = meansOf(own);
        const wanted = expected[index] ?? { loss: Number.NaN, accuracy: Number.NaN };
        expect(Math.abs(loss - wanted.loss)).toBeLessThan(1e-5 * wanted.loss);
        expect(accuracy).toBe(wanted.accuracy);
      }
      const losses = expected.map(({ loss }) => loss);
      expect(Math.max(...losses) - Math.min(...losses)).toBeGreaterThan(0.01);
    } finally {
      mixture.dispose();
    }
  });
});
