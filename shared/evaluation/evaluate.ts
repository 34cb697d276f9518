import * as tf from "@tensorflow/tfjs-core";
import { Problem } from "../problem.ts";
import type { Predictor } from "./evaluable.ts";
import { labelsPerSample, type Shard, type ValidationShard } from "./shard.ts";
import type { ClassificationSums, EvaluationSums } from "./sums.ts";
import { ClassificationTally, RegressionTally } from "./tally.ts";

/** Samples at a time, where nothing else is known. */
export const DEFAULT_BATCH = 256;

/**
 * Evaluates a model on a shard, on the current tfjs backend. Outputs come back as float32; losses and sums are float64, so
 * they do not depend on how samples are grouped beyond the forward pass itself.
 * @param model maps [batch, …inputShape] to logits [batch, classes], to [batch, length, classes] with `length` labels a
 *   sample, or to the targets of a regression
 * @param batch samples at a time; bounds the activations held
 * @throws Problem `incompatible-dataset` where shapes or labels do not fit, `non-finite-values` where the outputs are no
 *   numbers
 */
export function evaluateShard(model: Predictor, shard: Shard, batch?: number): ClassificationSums;
export function evaluateShard(model: Predictor, shard: ValidationShard, batch?: number): EvaluationSums;
export function evaluateShard(model: Predictor, shard: ValidationShard, batch = DEFAULT_BATCH): EvaluationSums {
  return tallyShard(model, shard, batch).sums();
}

/** {@link evaluateShard} on a backend whose values come back asynchronously only, such as WebGPU. */
export function evaluateShardAsync(model: Predictor, shard: Shard, batch?: number): Promise<ClassificationSums>;
export function evaluateShardAsync(model: Predictor, shard: ValidationShard, batch?: number): Promise<EvaluationSums>;
export async function evaluateShardAsync(
  model: Predictor,
  shard: ValidationShard,
  batch = DEFAULT_BATCH,
): Promise<EvaluationSums> {
  const tally = tallyFor(model, shard);
  for (let begin = 0; begin < shard.count; begin += batch) {
    const output = tf.tidy(() => forward(model, shard, begin, batch));
    try {
      tally.add(await output.data<"float32">());
    } finally {
      output.dispose();
    }
  }
  return tally.sums();
}

/** What {@link evaluateShard} counts, label by label. */
export function tallyShard(
  model: Predictor,
  shard: ValidationShard,
  batch: number,
): ClassificationTally | RegressionTally {
  const tally = tallyFor(model, shard);
  for (let begin = 0; begin < shard.count; begin += batch) {
    tally.add(tf.tidy(() => forward(model, shard, begin, batch).dataSync<"float32">()));
  }
  return tally;
}

/** The outputs for up to `batch` samples from `begin` on. */
function forward(model: Predictor, shard: ValidationShard, begin: number, batch: number): tf.Tensor {
  return model.predict(inputTensor(shard, begin, batch));
}

/**
 * Up to `batch` samples of a shard from `begin` on, as real values, [samples, …inputShape]. The caller disposes of it.
 */
export function inputTensor(shard: ValidationShard, begin: number, batch: number): tf.Tensor {
  const size = Math.min(batch, shard.count - begin);
  const sampleSize = shard.inputShape.reduce((product, dimension) => product * dimension, 1);
  const raw = shard.x.subarray(begin * sampleSize, (begin + size) * sampleSize);
  // A loop: Float32Array.from with a function takes eight times as long, more than the forward pass itself.
  const values = new Float32Array(raw.length);
  for (let i = 0; i < raw.length; i++) values[i] = (raw[i] ?? 0) * shard.scale + shard.offset;
  return tf.tensor(values, [size, ...shard.inputShape], "float32");
}

/**
 * Checks that a model can be evaluated on a shard, before any forward pass.
 * @throws Problem `incompatible-dataset` naming the shapes, or the label, that do not fit
 */
export function checkFit(model: Pick<Predictor, "inputShape" | "outputShape">, shard: ValidationShard): void {
  checkInputs(model, shard);
  const { outputShape } = model;
  if ("targets" in shard) {
    if (shard.targetShape.join() === outputShape.join()) return;
    throw new Problem(
      "incompatible-dataset",
      `Targets are [${shard.targetShape}] a sample, the model gives [${outputShape}].`,
    );
  }
  const classes = outputShape.at(-1) ?? 0;
  const wantedLabels = outputShape.slice(0, -1).reduce((product, size) => product * size, 1);
  if (labelsPerSample(shard) !== wantedLabels) {
    const [have, needs] = [labelsPerSample(shard), wantedLabels].map(
      (count) => `${count} label${count === 1 ? "" : "s"}`,
    );
    throw new Problem("incompatible-dataset", `Samples have ${have} each, the model needs ${needs}.`);
  }
  const beyond = shard.y.findIndex((label) => label >= classes);
  if (beyond !== -1) {
    throw new Problem(
      "incompatible-dataset",
      `Label ${beyond} is ${shard.y[beyond]}; the model has ${classes} classes.`,
    );
  }
}

/** @throws Problem `incompatible-dataset` where the samples have not the shape that the model takes */
export function checkInputs({ inputShape }: Pick<Predictor, "inputShape">, shard: ValidationShard): void {
  if (inputShape.join() === shard.inputShape.join()) return;
  throw new Problem("incompatible-dataset", `Samples are [${shard.inputShape}], the model takes [${inputShape}].`);
}

function tallyFor(model: Predictor, shard: ValidationShard): ClassificationTally | RegressionTally {
  checkFit(model, shard);
  return "targets" in shard
    ? new RegressionTally(shard)
    : new ClassificationTally(shard, model.outputShape.at(-1) ?? 0);
}
