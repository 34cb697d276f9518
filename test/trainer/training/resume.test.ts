import { beforeAll, describe, expect, it } from "vitest";
import { NO_MASK } from "../../../shared/alignment/mask-plan.ts";
import type { Shard } from "../../../shared/evaluation/shard.ts";
import { RandomStream } from "../../../shared/random/stream.ts";
import { startWasmBackend, type TrainingBackend } from "../../../trainer/backend/wasm.ts";
import type { Dataset } from "../../../trainer/data/dataset.ts";
import { StoppedEarly, type StepMetrics } from "../../../trainer/training/member-surroundings.ts";
import type { MemberTask, TrainedMember } from "../../../trainer/training/member-task.ts";
import { type Regime, sgd } from "../../../trainer/training/regime.ts";
import type { StateStore } from "../../../trainer/training/state-file.ts";
import { dataDigests } from "../../../trainer/training/task-description.ts";
import { trainMember } from "../../../trainer/training/train-member.ts";
import { decodeState, encodeState } from "../../../trainer/training/training-state.ts";

/** Two classes of small colour images, told by which half is bright. */
function split(label: string, count: number): Shard {
  const random = new RandomStream(3n, label);
  const y = Int32Array.from({ length: count }, (_, at) => at % 2);
  const x = new Uint8Array(count * 192);
  for (let at = 0; at < x.length; at++) {
    const bright = at % 192 < 96 === (y[Math.floor(at / 192)] === 0);
    x[at] = random.below(160) + (bright ? 90 : 0);
  }
  return { count, inputShape: [8, 8, 3], x, y, scale: 1 / 64, offset: -1.5 };
}

const dataset: Dataset = {
  name: "halves",
  inputShape: [8, 8, 3],
  classes: 2,
  train: split("train", 60),
  validation: split("validation", 20),
};
/** Counting modulo 5; the label of a position is the token that comes next. */
function sequences(label: string, count: number): Shard {
  const random = new RandomStream(4n, label);
  const begins = Uint8Array.from({ length: count }, () => random.below(5));
  const x = Uint8Array.from({ length: 6 * count }, (_, at) => ((begins[Math.floor(at / 6)] ?? 0) + (at % 6)) % 5);
  return { count, inputShape: [6], x, y: Int32Array.from(x, (token) => (token + 1) % 5), scale: 1, offset: 0 };
}

const counting: Dataset = {
  name: "counting",
  inputShape: [6],
  classes: 5,
  train: sequences("train", 60),
  validation: sequences("validation", 20),
};
const regime: Regime = { learningRate: 0.05, ...sgd(0.9), batch: 16, epochs: 3 };
const plain: MemberTask = {
  label: "plain",
  dataset,
  architecture: { architecture: "mlp", input: [8, 8, 3], hidden: [12], classes: 2 },
  seed: 1n,
  orderSeed: 2n,
  mask: { ...NO_MASK, seed: 3n, fixedRatio: 0.4 },
  member: 1,
  regime,
  augmentation: { crop: 0, flip: false },
};
const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
const TASKS: readonly MemberTask[] = [
  plain,
  {
    ...plain,
    label: "cnn, Adam, augmentation, cosine with warm-up, smoothing",
    architecture: { architecture: "cnn", input: [8, 8, 3], channels: [4], hidden: [6], classes: 2 },
    regime: {
      ...regime,
      learningRate: 0.01,
      optimizer: { name: "adam", ...adam },
      schedule: { name: "cosine", floor: 0.1, warmupSteps: 2 },
      labelSmoothing: 0.1,
    },
    augmentation: { crop: 2, flip: true },
  },
  {
    ...plain,
    label: "resnet with batch norm, AdamW, clipping, pruned, on a part of the data",
    architecture: {
      architecture: "resnet",
      input: [8, 8, 3],
      depth: 8,
      norm: "batch",
      width: 4,
      shortcut: "pad",
      classes: 2,
    },
    mask: { ...plain.mask, frozenValue: "zero" },
    regime: { ...regime, learningRate: 0.01, optimizer: { name: "adamw", ...adam }, clipNorm: 1 },
    samples: Uint32Array.from({ length: 50 }, (_, at) => at + 10),
  },
  {
    ...plain,
    label: "language model, Adam",
    dataset: counting,
    architecture: {
      architecture: "transformer",
      ...{ vocabulary: 5, length: 6, width: 8, depth: 1, heads: 2, mlpRatio: 2 },
      ...{ causal: true, pooling: "none", classes: 5 },
    },
    regime: { ...regime, learningRate: 0.01, optimizer: { name: "adam", ...adam } },
  },
  {
    ...plain,
    label: "lenet, Nesterov, decay, step schedule",
    architecture: { architecture: "lenet", input: [8, 8, 3], channels: [2, 3], hidden: [], classes: 2 },
    regime: {
      ...regime,
      optimizer: { name: "sgd", momentum: 0.9, nesterov: true, weightDecay: 0.001 },
      schedule: { name: "step", everyEpochs: 1, factor: 0.5, warmupSteps: 0 },
    },
  },
];

let backend: TrainingBackend;
beforeAll(async () => {
  backend = await startWasmBackend();
});

/** A state as it would be on disk, in memory. */
function memoryStore(): StateStore & { file: Uint8Array<ArrayBuffer> | undefined; saves: number } {
  return {
    file: undefined,
    saves: 0,
    async load() {
      return this.file === undefined ? undefined : decodeState(this.file).state;
    },
    async save(state) {
      this.file = encodeState(state, {}, true);
      this.saves++;
    },
  };
}

interface Outcome {
  readonly trained: TrainedMember;
  readonly points: readonly StepMetrics[];
}

/** Trains with a stop before each of these steps (counted from 0), each time from the saved state alone. */
async function trainWithStops(task: MemberTask, stops: readonly number[], every?: { steps: number }): Promise<Outcome> {
  const store = memoryStore();
  const points: StepMetrics[] = [];
  for (const stop of [...stops, Infinity]) {
    let asked = 0;
    try {
      const trained = await trainMember(task, backend, {
        now: () => 0,
        data: dataDigests(task.dataset),
        keepBest: true,
        state: stops.length > 0 || every !== undefined ? store : undefined,
        checkpointEvery: every,
        onResumed: (step) => (asked = step),
        stop: () => asked++ === stop,
        onMetrics: (point) => points.push({ ...point, samplesPerSecond: 0 }),
      });
      return { trained, points };
    } catch (error) {
      if (!(error instanceof StoppedEarly)) throw error;
      expect(error).toMatchObject({ step: stop, saved: true });
    }
  }
  throw new Error("the last run was not to be stopped");
}

describe("a run that is stopped and resumed", () => {
  it.each(TASKS)("ends with the bytes of one that was not: $label", async (task) => {
    const whole = await trainWithStops(task, []);
    // In the first epoch, between epochs, in the last, and twice at one place.
    for (const stops of [
      [1, 3, 5],
      [0, 6, 6, 8],
    ]) {
      const resumed = await trainWithStops(task, stops);
      expect(resumed.trained.sha256).toBe(whole.trained.sha256);
      expect(resumed.trained.best?.sha256).toBe(whole.trained.best?.sha256);
      expect(resumed.points).toEqual(whole.points);
    }
  });

  it("keeps the best epoch of before the stop", async () => {
    // Trained on the opposite, the model gets worse and worse.
    const { train } = dataset;
    const opposite = { ...dataset, train: { ...train, y: train.y.map((label) => 1 - label) } };
    const worsening: MemberTask = { ...plain, dataset: opposite, regime: { ...regime, epochs: 6 } };
    const whole = await trainWithStops(worsening, []);
    const best = whole.trained.best?.epoch ?? 0;
    expect(best).toBeLessThan(6);
    const resumed = await trainWithStops(worsening, [3 * best + 1]);
    expect(resumed.trained.best).toEqual(whole.trained.best);
  });

  it("is not changed by how often its state is saved", async () => {
    const [whole, often] = [await trainWithStops(plain, []), await trainWithStops(plain, [], { steps: 1 })];
    expect(often.trained.sha256).toBe(whole.trained.sha256);
  });

  it("says that memory is exhausted, and what to do", async () => {
    const task: MemberTask = {
      ...plain,
      architecture: { architecture: "mlp", input: [8, 8, 3], hidden: [65_536, 65_536], classes: 2 },
    };
    await expect(trainWithStops(task, [])).rejects.toMatchObject({
      kind: "out-of-memory",
      message: expect.stringMatching(
        /^plain does not fit into memory \(.*\); lower --batch \(now 16\) or take a smaller model\.$/,
      ),
    });
  });
});
