import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { maskOf, type MaskPlan, startOf } from "../../../shared/alignment/mask-plan.ts";
import {
  type Architecture,
  architectureSchema,
  assignWeights,
  buildModel,
  initialWeights,
  sampleShapeOf,
  type Weights,
  weightSpecs,
} from "../../../shared/models/index.ts";
import { labelsPerSampleOf } from "../../../shared/models/architecture.ts";
import { RandomStream } from "../../../shared/random/stream.ts";
import { startWasmBackend, type WasmTrainingBackend } from "../../../trainer/backend/wasm.ts";
import type { MaskedOptimizer, OptimizerState } from "../../../trainer/training/masked-optimizer.ts";
import { createTensorOptimizer } from "../../../trainer/training/optimizers/tensor-optimizer.ts";
import type { OptimizerSpec } from "../../../trainer/training/regime.ts";
import { createTrainStep } from "../../../trainer/training/train-step.ts";
import { randomSamples, TINY_ARCHITECTURES } from "../../support/tiny-architectures.ts";
import { nameOf, SPECS } from "./optimizers/forms.ts";

/**
 * The promise that fusion relies on, over every architecture and optimizer: what a mask holds keeps its bits, through decay,
 * clipping, a resume and a change of the mask; and what it does not hold trains.
 */

let backend: WasmTrainingBackend;
beforeAll(async () => {
  backend = await startWasmBackend();
});

const BATCH = 2;
/** Steps of each leg: before the save, after it, and under another mask. */
const LEG = 2;
const RATE = 0.05;

interface Circumstances {
  readonly spec: OptimizerSpec;
  readonly clipNorm: number | undefined;
  readonly labelSmoothing: number;
  /** Whether the optimizer is the fused one of the backend, or the one of tfjs ops. */
  readonly fused: boolean;
  readonly plan: MaskPlan;
}

const anyPlan: fc.Arbitrary<MaskPlan> = fc.record({
  seed: fc.bigInt(0n, 2n ** 64n - 1n),
  fixedRatio: fc.constantFrom(0.1, 0.4, 0.8),
  scope: fc.constantFrom<MaskPlan["scope"]>("all", { tensors: ["output/*", "*/bias"] }, { tensors: ["*/kernel"] }),
  frozenValue: fc.constantFrom("initial" as const, "zero" as const),
});

/** A model with its optimizer, as a run or a resumed run has it. */
class Run {
  readonly architecture: Architecture;
  readonly circumstances: Circumstances;
  readonly model: LayersModel;
  readonly optimizer: MaskedOptimizer;

  constructor(architecture: Architecture, circumstances: Circumstances, weights: Weights, state?: OptimizerState) {
    const { spec, clipNorm, fused, plan } = circumstances;
    this.architecture = architecture;
    this.circumstances = circumstances;
    this.model = buildModel(architecture);
    assignWeights(this.model, weights);
    const parameters = weightSpecs(this.model)
      .filter(({ trainable }) => trainable)
      .map(({ name, variable }) => ({ name, variable, frozen: maskOf(plan, name, variable.size) }));
    this.optimizer = fused
      ? backend.createOptimizer(spec, parameters, clipNorm)
      : createTensorOptimizer(spec, parameters, clipNorm);
    if (state !== undefined) this.optimizer.restore(state);
  }

  /** Takes the steps numbered `from` up to `to`. */
  async take(from: number, to: number): Promise<void> {
    const { labelSmoothing } = this.circumstances;
    const step = createTrainStep(this.model, this.optimizer, backend, { labelSmoothing });
    for (let at = from; at < to; at++) {
      const x = tf.tensor(randomSamples(this.architecture, BATCH, BigInt(at)), [
        BATCH,
        ...sampleShapeOf(this.architecture),
      ]);
      const y = labels(this.architecture, at);
      expect(await step(x, y, RATE)).not.toBeNaN();
      tf.dispose([x, y]);
    }
    step.dispose();
  }

  /** Copies of all weights and buffers. */
  weights(): Weights {
    return new Map(
      weightSpecs(this.model).map(({ name, shape, variable }) => [
        name,
        { shape, values: Float32Array.from(variable.dataSync<"float32">()) },
      ]),
    );
  }

  dispose(): void {
    this.optimizer.dispose();
    this.model.dispose();
  }
}

function labels(architecture: Architecture, at: number): tf.Tensor {
  const each = labelsPerSampleOf(architecture);
  const random = new RandomStream(BigInt(at), "labels");
  const values = Int32Array.from({ length: BATCH * each }, () => random.below(architecture.classes));
  return tf.tensor(values, each === 1 ? [BATCH] : [BATCH, each], "int32");
}

/** Held entries are equal to the bit; free ones are not all. */
function expectHeld(plan: MaskPlan, before: Weights, after: Weights, decayed: boolean): void {
  let free = 0;
  let moved = 0;
  for (const [name, { values }] of before) {
    const mask = maskOf(plan, name, values.length);
    const [start, end] = [bitsOf(values), bitsOf(after.get(name)?.values)];
    expect(end.length).toBe(start.length);
    if (/moving_(mean|variance)$/.test(name)) expect(mask).toBeUndefined();
    const movedHeld: number[] = [];
    start.forEach((bits, index) => {
      const differs = bits !== end[index];
      if (mask?.[index] === 1) {
        if (differs) movedHeld.push(index);
        return;
      }
      // Decay moves everything but zeros; a gradient may be 0 behind a dead unit.
      free += Number(!decayed || bits << 1 !== 0);
      moved += Number(differs);
    });
    expect(movedHeld, `held entries of ${name} that moved`).toEqual([]);
  }
  // A mask may hold every entry that decay could move, so there may be none.
  if (decayed) expect(moved).toBeGreaterThanOrEqual(0.9 * free);
  // A tiny network that is pruned hard may be dead altogether.
  else if (plan.frozenValue === "initial" && plan.fixedRatio < 0.5) expect(moved).toBeGreaterThan(0);
}

function bitsOf(values: Float32Array<ArrayBuffer> | undefined): Uint32Array {
  return values === undefined ? new Uint32Array() : new Uint32Array(values.buffer, values.byteOffset, values.length);
}

async function check(architecture: Architecture, circumstances: Circumstances, next: MaskPlan): Promise<void> {
  const { plan, spec } = circumstances;
  const decayed = spec.weightDecay > 0;
  const empty = buildModel(architecture);
  const start: Weights = new Map(
    Array.from(initialWeights(empty, 7n), ([name, { shape, values }]) => [
      name,
      { shape, values: startOf(plan, name, values) },
    ]),
  );
  empty.dispose();

  const whole = new Run(architecture, circumstances, start);
  await whole.take(0, LEG);
  expectHeld(plan, start, whole.weights(), decayed);
  const resumed = new Run(architecture, circumstances, whole.weights(), await whole.optimizer.state());
  const changed = new Run(
    architecture,
    { ...circumstances, plan: next },
    whole.weights(),
    await whole.optimizer.state(),
  );

  // A mask of the next phase holds what training has made by then, whatever momentum it had.
  const between = whole.weights();
  await changed.take(LEG, 2 * LEG);
  expectHeld(next, between, changed.weights(), decayed);

  // A resumed run is the run.
  await whole.take(LEG, 2 * LEG);
  await resumed.take(LEG, 2 * LEG);
  expectHeld(plan, start, whole.weights(), decayed);
  expect(resumed.weights()).toEqual(whole.weights());
  expect(await resumed.optimizer.state()).toEqual(await whole.optimizer.state());
  for (const run of [whole, resumed, changed]) run.dispose();
}

describe.each(TINY_ARCHITECTURES)("held entries of %s keep their bits under", (_, architecture) => {
  it.each(SPECS.map((spec) => [nameOf(spec), spec] as const))("%s", async (_name, spec) => {
    const tensors = tf.memory().numTensors;
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          spec: fc.constantFrom<OptimizerSpec>(spec, { ...spec, weightDecay: 0 }),
          clipNorm: fc.constantFrom(undefined, 0.05, 1),
          labelSmoothing: fc.constantFrom(0, 0.1),
          fused: fc.boolean(),
          plan: anyPlan,
        }),
        anyPlan,
        (circumstances, next) => check(architecture, circumstances, next),
      ),
      { numRuns: 2 },
    );
    expect(tf.memory().numTensors).toBe(tensors);
  });
});

it("covers every architecture there is", () => {
  const all = architectureSchema.options.map((option) => option.shape.architecture.value);
  expect(new Set(TINY_ARCHITECTURES.map(([, { architecture }]) => architecture))).toEqual(new Set(all));
});
