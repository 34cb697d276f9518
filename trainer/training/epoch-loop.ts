import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Weights } from "../../shared/models/weights.ts";
import { AugmentationStream, isAugmented } from "../data/augmentation.ts";
import { diverged } from "./diverged.ts";
import { type Batch, epochOrder, fillBatch, makeBatch } from "./epoch-batches.ts";
import { type KnownLoss, LossRecord } from "./loss-record.ts";
import type { MaskedOptimizer } from "./masked-optimizer.ts";
import { type MemberSurroundings, StoppedEarly } from "./member-surroundings.ts";
import type { MemberTask, Metrics, Validation } from "./member-task.ts";
import { Pace } from "./pace.ts";
import { learningRateAt } from "./schedule.ts";
import type { TrainStep } from "./train-step.ts";
import type { BestSoFar, TrainingState } from "./training-state.ts";
import { isBetter, validateMember } from "./validate-member.ts";

/** Least milliseconds between reports of progress. */
const REPORT_INTERVAL = 200;
/** Steps between points of the metrics. */
const METRICS_INTERVAL = 10;

/** What a run works on, between its set-up and its end. */
export interface Engine {
  readonly model: LayersModel;
  readonly optimizer: MaskedOptimizer;
  readonly step: TrainStep;
  /** Copies of all weights, buffers too. */
  readonly readWeights: () => Promise<Weights>;
}

export interface EpochsDone {
  readonly metrics: Metrics;
  readonly steps: number;
  readonly best: BestSoFar | undefined;
  readonly seconds: number;
}

/** What belongs to a step whose loss may come later. */
interface StepContext {
  /** From 1, in the whole run. */
  readonly step: number;
  readonly learningRate: number;
}

/**
 * The steps of a run from where a state stands, with validation after every epoch, saving the state on the way. A run
 * that is stopped and resumed anywhere takes the same steps with the same numbers.
 */
export class EpochLoop {
  readonly #task: MemberTask;
  readonly #engine: Engine;
  readonly #surroundings: MemberSurroundings;
  readonly #stepsPerEpoch: number;
  readonly #steps: number;
  readonly #startStep: number;
  readonly #batch: Batch;
  readonly #losses: LossRecord<StepContext>;
  readonly #pace: Pace;
  #epoch: number;
  #stepInEpoch: number;
  #learningRate: number;
  #trainingLoss: number | undefined;
  #validation: Validation | undefined;
  #best: BestSoFar | undefined;
  #lastSave: number;

  /** @param start what to go on from; the engine already holds its weights and its optimizer's slots */
  constructor(task: MemberTask, engine: Engine, start: TrainingState | undefined, surroundings: MemberSurroundings) {
    const { dataset, regime, samples } = task;
    this.#task = task;
    this.#engine = engine;
    this.#surroundings = surroundings;
    this.#stepsPerEpoch = Math.floor((samples?.length ?? dataset.train.count) / regime.batch);
    this.#steps = this.#stepsPerEpoch * regime.epochs;
    this.#batch = makeBatch(dataset.train, regime.batch);
    this.#epoch = start?.epoch ?? 0;
    this.#stepInEpoch = start?.stepInEpoch ?? 0;
    this.#trainingLoss = start?.trainingLoss;
    this.#validation = start?.validation;
    this.#best = start?.best;
    this.#startStep = this.#stepsTaken;
    this.#losses = new LossRecord((known) => this.#hear(known), start?.lossSum, start?.smoothedLoss);
    this.#learningRate = this.#rateAt(this.#startStep);
    this.#pace = new Pace(surroundings.now, REPORT_INTERVAL);
    this.#lastSave = surroundings.now();
  }

  /** @throws Failure `diverged`; StoppedEarly where it was asked to stop */
  async run(): Promise<EpochsDone> {
    if (this.#startStep > 0) this.#surroundings.onResumed?.(this.#startStep);
    while (this.#epoch < this.#task.regime.epochs) {
      await this.#runEpoch();
      await this.#endEpoch();
    }
    const [trainingLoss, validation] = [this.#trainingLoss, this.#validation];
    if (trainingLoss === undefined || validation === undefined) throw new Error("no epoch was run");
    return {
      steps: this.#steps,
      metrics: { trainingLoss, validationLoss: validation.loss, validationAccuracy: validation.accuracy },
      best: this.#best,
      seconds: this.#pace.seconds(),
    };
  }

  async #runEpoch(): Promise<void> {
    const { dataset, orderSeed, member, augmentation, samples, regime } = this.#task;
    const epoch = this.#epoch;
    const order = epochOrder(orderSeed, member, epoch, samples ?? dataset.train.count);
    const random = new AugmentationStream(orderSeed, member, epoch);
    const changed = isAugmented(augmentation) ? { augmentation, random } : undefined;
    while (this.#stepInEpoch < this.#stepsPerEpoch) {
      if (this.#surroundings.stop?.() === true) await this.#stop();
      this.#learningRate = this.#rateAt(this.#stepsTaken);
      fillBatch(dataset.train, order, this.#stepInEpoch * regime.batch, this.#batch, changed);
      const loss = this.#stepOnBatch();
      this.#stepInEpoch++;
      const waiting = this.#losses.add({ step: this.#stepsTaken, learningRate: this.#learningRate }, loss);
      if (waiting !== undefined) await waiting;
      // The end of an epoch is told of and saved with its validation.
      if (this.#stepInEpoch === this.#stepsPerEpoch) break;
      if (this.#pace.due()) this.#report();
      if (this.#isSaveDue()) await this.#save();
    }
    await this.#losses.settle();
  }

  async #endEpoch(): Promise<void> {
    const { onMetrics, keepBest = false } = this.#surroundings;
    const validation = await validateMember(this.#task, this.#engine.model, this.#stepsTaken, this.#steps);
    const trainingLoss = this.#losses.sum / this.#stepsPerEpoch;
    this.#losses.clearSum();
    this.#validation = validation;
    this.#trainingLoss = trainingLoss;
    this.#epoch++;
    this.#stepInEpoch = 0;
    if (isBetter(validation, this.#best?.validation)) {
      const weights = keepBest ? await this.#engine.readWeights() : undefined;
      this.#best = { epoch: this.#epoch, validation, weights };
    }
    this.#report();
    const { last } = this.#losses;
    if (last !== undefined) onMetrics?.({ ...this.#metricsOf(last), trainingLoss, validation });
    if (this.#epoch < this.#task.regime.epochs && this.#isSaveDue()) await this.#save();
  }

  #stepOnBatch(): number | Promise<number> {
    const { dataset } = this.#task;
    const { size, inputs, labels } = this.#batch;
    const x = tf.tensor(inputs, [size, ...dataset.inputShape], "float32");
    const y = tf.tensor(labels, labels.length === size ? [size] : [size, labels.length / size], "int32");
    try {
      return this.#engine.step(x, y, this.#learningRate);
    } finally {
      x.dispose();
      y.dispose();
    }
  }

  /** Hears of every loss, in the order of the steps. */
  #hear(known: KnownLoss<StepContext>): void {
    const { step } = known.context;
    if (!Number.isFinite(known.loss)) throw diverged(this.#task, step, this.#steps);
    // The last step of an epoch is told with its validation.
    if (step % METRICS_INTERVAL !== 0 || step % this.#stepsPerEpoch === 0) return;
    this.#surroundings.onMetrics?.(this.#metricsOf(known));
  }

  #metricsOf({ context: { step, learningRate }, loss, smoothed }: KnownLoss<StepContext>) {
    const epoch = Math.ceil(step / this.#stepsPerEpoch);
    const samplesPerSecond = this.#samplesPerSecond(step);
    return { step, epoch, loss, smoothedLoss: smoothed, learningRate, samplesPerSecond };
  }

  #report(): void {
    const step = this.#stepsTaken;
    this.#surroundings.onProgress?.({
      epoch: this.#epoch,
      epochs: this.#task.regime.epochs,
      step,
      steps: this.#steps,
      loss: this.#losses.smoothed ?? Number.NaN,
      learningRate: this.#learningRate,
      validation: this.#validation,
      samplesPerSecond: this.#samplesPerSecond(step),
      secondsLeft: this.#estimate(step).secondsLeft,
    });
  }

  /** @param step from 0 */
  #rateAt(step: number): number {
    return learningRateAt(this.#task.regime, step, this.#stepsPerEpoch, this.#steps);
  }

  get #stepsTaken(): number {
    return this.#epoch * this.#stepsPerEpoch + this.#stepInEpoch;
  }

  /** By what has been done since the run began or was resumed. */
  #estimate(step: number): { stepsPerSecond: number; secondsLeft: number } {
    return this.#pace.estimate(step - this.#startStep, this.#steps - this.#startStep);
  }

  #samplesPerSecond(step: number): number {
    return this.#estimate(step).stepsPerSecond * this.#task.regime.batch;
  }

  async #stop(): Promise<never> {
    await this.#save();
    throw new StoppedEarly(this.#stepsTaken, this.#steps, this.#surroundings.state !== undefined);
  }

  #isSaveDue(): boolean {
    const { state, checkpointEvery, now } = this.#surroundings;
    if (state === undefined || checkpointEvery === undefined) return false;
    if ("seconds" in checkpointEvery) return now() - this.#lastSave >= 1000 * checkpointEvery.seconds;
    return this.#stepsTaken % checkpointEvery.steps === 0;
  }

  async #save(): Promise<void> {
    const { state, now, metricsRecorded } = this.#surroundings;
    await this.#losses.settle();
    if (state !== undefined) await metricsRecorded?.();
    await state?.save({
      epoch: this.#epoch,
      stepInEpoch: this.#stepInEpoch,
      lossSum: this.#losses.sum,
      smoothedLoss: this.#losses.smoothed,
      trainingLoss: this.#trainingLoss,
      validation: this.#validation,
      best: this.#best,
      weights: await this.#engine.readWeights(),
      optimizer: await this.#engine.optimizer.state(),
    });
    this.#lastSave = now();
  }
}
