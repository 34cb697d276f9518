import * as tf from "@tensorflow/tfjs-core";
import { frozenMask } from "../../shared/alignment/mask.ts";
import { evaluateShard, meansOf } from "../../shared/evaluation/evaluate.ts";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { buildModel } from "../../shared/models/build.ts";
import { initialWeights } from "../../shared/models/initialize.ts";
import { assignWeights, weightSpecs, type Weights } from "../../shared/models/weights.ts";
import { Problem } from "../../shared/problem.ts";
import type { TrainingBackend } from "../backend/training-backend.ts";
import { Failure } from "../failure.ts";
import { encodeWeights, sha256Hex, trainingMetadata } from "./checkpoint-file.ts";
import { epochOrder, fillBatch, makeBatch } from "./epoch-batches.ts";
import { MaskedSgd } from "./masked-sgd.ts";
import type { MemberProgress, MemberTask, Metrics, TrainedMember } from "./member-task.ts";
import { Pace } from "./pace.ts";
import { createTrainStep, type TrainStep } from "./train-step.ts";
import { findMovedAnchor } from "./verify-frozen.ts";

/** Progress of one member; its runner adds which task that is. */
export type OwnProgress = Omit<MemberProgress, "task" | "label">;

export interface MemberSurroundings {
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Called a few times a second and after every epoch. */
  readonly onProgress?: (progress: OwnProgress) => void;
}

/** Least milliseconds between reports of progress. */
const REPORT_INTERVAL = 200;
/** Weight of the newest step in the reported loss. */
const LOSS_SMOOTHING = 0.05;

/**
 * Trains one model on this thread's backend, from its seed to the bytes of its file.
 *
 * TNA-PFN (arXiv:2402.01342): entries under the mask keep their initial value; they still take part in the forward pass
 * and pass gradients on. Equal tasks give equal bytes on one machine, whatever else runs.
 * @throws Failure `diverged` where the loss stops being a number, `internal` where a frozen entry moved
 */
export function trainMember(
  task: MemberTask,
  backend: TrainingBackend,
  surroundings: MemberSurroundings,
): TrainedMember {
  const model = buildModel(task.architecture);
  const initial = initialWeights(model, task.seed);
  assignWeights(model, initial);
  const specs = weightSpecs(model);
  const masks = drawMasks(task, specs);
  const optimizer = new MaskedSgd(
    backend,
    specs.map(({ name, variable }) => ({ name, variable, frozen: masks.get(name) })),
    { momentum: task.regime.momentum },
  );
  const step = createTrainStep(model, optimizer);
  try {
    const pace = new Pace(surroundings.now, REPORT_INTERVAL);
    const { metrics, steps } = runEpochs(task, model, step, pace, surroundings);
    const trained = readWeights(model);
    const moved = findMovedAnchor(initial, trained, masks);
    if (moved !== undefined) throw new Failure("internal", `${task.label}: ${moved}; the checkpoint is not written.`);
    const initialDigest = sha256Hex(encodeWeights(initial));
    const facts = { initialDigest, steps, metrics, backend: backend.name };
    const file = encodeWeights(trained, trainingMetadata(task, facts));
    const { label, member, fixedRatio } = task;
    const sha256 = sha256Hex(file);
    return { label, member, fixedRatio, file, sha256, initialDigest, steps, metrics, seconds: pace.seconds() };
  } finally {
    step.dispose();
    optimizer.dispose();
    model.dispose();
  }
}

function drawMasks(
  { maskSeed, fixedRatio }: MemberTask,
  specs: readonly { name: string; shape: readonly number[] }[],
): Map<string, Uint8Array> {
  const masks = new Map<string, Uint8Array>();
  if (fixedRatio === 0) return masks;
  for (const { name, shape } of specs) {
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    masks.set(name, frozenMask({ seed: maskSeed, fixedRatio }, name, 0, size));
  }
  return masks;
}

function runEpochs(
  task: MemberTask,
  model: LayersModel,
  trainStep: TrainStep,
  pace: Pace,
  { onProgress }: MemberSurroundings,
): { metrics: Metrics; steps: number } {
  const { dataset, seed, member, regime } = task;
  const { batch: batchSize, epochs, learningRate } = regime;
  const stepsPerEpoch = Math.floor(dataset.train.count / batchSize);
  const steps = stepsPerEpoch * epochs;
  const batch = makeBatch(dataset.train, batchSize);
  let smoothed: number | undefined;
  let validation: { loss: number; accuracy: number } | undefined;
  let trainingLoss = Number.NaN;

  const report = (epoch: number, step: number) => {
    const { stepsPerSecond, secondsLeft } = pace.estimate(step, steps);
    const samplesPerSecond = stepsPerSecond * batchSize;
    onProgress?.({
      epoch,
      epochs,
      step,
      steps,
      loss: smoothed ?? Number.NaN,
      validation,
      samplesPerSecond,
      secondsLeft,
    });
  };

  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = epochOrder(seed, member, epoch, dataset.train.count);
    let lossSum = 0;
    for (let index = 0; index < stepsPerEpoch; index++) {
      fillBatch(dataset.train, order, index * batchSize, batch);
      const loss = stepOn(trainStep, batch, dataset.inputShape, learningRate);
      if (!Number.isFinite(loss)) throw diverged(task, epoch * stepsPerEpoch + index + 1, steps);
      lossSum += loss;
      smoothed = smoothed === undefined ? loss : smoothed + LOSS_SMOOTHING * (loss - smoothed);
      if (pace.due()) report(epoch, epoch * stepsPerEpoch + index + 1);
    }
    trainingLoss = lossSum / stepsPerEpoch;
    validation = validate(task, model, (epoch + 1) * stepsPerEpoch, steps);
    report(epoch + 1, (epoch + 1) * stepsPerEpoch);
  }
  const { loss, accuracy } = validation ?? { loss: Number.NaN, accuracy: Number.NaN };
  return { steps, metrics: { trainingLoss, validationLoss: loss, validationAccuracy: accuracy } };
}

function stepOn(
  trainStep: TrainStep,
  { inputs, labels }: { inputs: Float32Array<ArrayBuffer>; labels: Int32Array<ArrayBuffer> },
  inputShape: readonly number[],
  learningRate: number,
): number {
  const x = tf.tensor(inputs, [labels.length, ...inputShape], "float32");
  const y = tf.tensor1d(labels, "int32");
  try {
    return trainStep(x, y, learningRate);
  } finally {
    x.dispose();
    y.dispose();
  }
}

/** The last step may be the one that breaks the weights; then the loss here is the first to show it. */
function validate(
  task: MemberTask,
  model: LayersModel,
  step: number,
  steps: number,
): { loss: number; accuracy: number } {
  try {
    const means = meansOf(evaluateShard(model, task.dataset.validation));
    if (!Number.isFinite(means.loss)) throw diverged(task, step, steps);
    return means;
  } catch (error) {
    if (error instanceof Problem && error.code === "non-finite-values") throw diverged(task, step, steps);
    throw error;
  }
}

function diverged({ label, regime }: MemberTask, step: number, steps: number): Failure {
  return new Failure(
    "diverged",
    `${label} diverged: the loss was no longer a number at step ${step} of ${steps}. Nothing was written for it; ` +
      `lower --learning-rate (now ${regime.learningRate}) or take another --seed.`,
  );
}

function readWeights(model: LayersModel): Weights {
  return new Map(
    weightSpecs(model).map(({ name, shape, variable }) => [
      name,
      // A copy: the variable's own memory goes when the model does.
      { shape, values: Float32Array.from(variable.dataSync<"float32">()) },
    ]),
  );
}
