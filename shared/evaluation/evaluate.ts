import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { Problem } from "../problem.ts";
import { labelsPerSample, type Shard } from "./shard.ts";

/**
 * Sums over labels: one a sample, or one a token where samples are sequences with a label at every position. They add up
 * over shards, so the number of shards never changes a result.
 */
export interface EvaluationSums {
  readonly lossSum: number;
  readonly correct: number;
  /** Labels. */
  readonly count: number;
}

export const NO_SAMPLES: EvaluationSums = { lossSum: 0, correct: 0, count: 0 };

export function addSums(a: EvaluationSums, b: EvaluationSums): EvaluationSums {
  return { lossSum: a.lossSum + b.lossSum, correct: a.correct + b.correct, count: a.count + b.count };
}

/** Mean cross-entropy (nats) and accuracy (fraction) of sums over at least one label. */
export function meansOf({ lossSum, correct, count }: EvaluationSums): { loss: number; accuracy: number } {
  return { loss: lossSum / count, accuracy: correct / count };
}

/**
 * Evaluates a classifier on a shard, on the current tfjs backend. Logits come back as float32; the log-softmax and the
 * sums are float64, so the loss does not depend on how samples are grouped beyond the forward pass itself.
 * @param model maps [batch, …inputShape] to logits [batch, classes], or [batch, length, classes] with `length` labels a
 *   sample
 * @param batch samples at a time; bounds the activations held
 * @throws Problem `incompatible-dataset` where shapes or labels do not fit, `non-finite-values` where logits are NaN
 */
export function evaluateShard(model: LayersModel, shard: Shard, batch = 256): EvaluationSums {
  const classes = checkFit(model, shard);
  let sums = NO_SAMPLES;
  for (let begin = 0; begin < shard.count; begin += batch) {
    const logits = tf.tidy(() => forward(model, shard, begin, batch).dataSync<"float32">());
    sums = addBatch(sums, logits, classes, shard, begin);
  }
  return sums;
}

/** {@link evaluateShard} on a backend whose values come back asynchronously only, such as WebGPU. */
export async function evaluateShardAsync(model: LayersModel, shard: Shard, batch = 256): Promise<EvaluationSums> {
  const classes = checkFit(model, shard);
  let sums = NO_SAMPLES;
  for (let begin = 0; begin < shard.count; begin += batch) {
    const output = tf.tidy(() => forward(model, shard, begin, batch));
    try {
      sums = addBatch(sums, await output.data<"float32">(), classes, shard, begin);
    } finally {
      output.dispose();
    }
  }
  return sums;
}

/** The logits of up to `batch` samples from `begin` on. */
function forward(model: LayersModel, shard: Shard, begin: number, batch: number): tf.Tensor {
  const size = Math.min(batch, shard.count - begin);
  const sampleSize = shard.inputShape.reduce((product, dimension) => product * dimension, 1);
  const raw = shard.x.subarray(begin * sampleSize, (begin + size) * sampleSize);
  // A loop: Float32Array.from with a function takes eight times as long, more than the forward pass itself.
  const values = new Float32Array(raw.length);
  for (let i = 0; i < raw.length; i++) values[i] = (raw[i] ?? 0) * shard.scale + shard.offset;
  const inputs = tf.tensor(values, [size, ...shard.inputShape], "float32");
  return model.predict(inputs, { batchSize: size }) as tf.Tensor;
}

/**
 * Adds label after label to the sums, so that the size of a batch does not show in the last bit either.
 * @param logits of the samples from `begin` on, row by row
 */
function addBatch(
  sums: EvaluationSums,
  logits: Float32Array,
  classes: number,
  shard: Shard,
  begin: number,
): EvaluationSums {
  const labels = labelsPerSample(shard);
  const count = logits.length / classes;
  let { lossSum, correct } = sums;
  for (let row = 0; row < count; row++) {
    const label = shard.y[begin * labels + row] ?? 0;
    const { loss, predicted } = crossEntropy(logits, row * classes, classes, label);
    if (Number.isNaN(loss)) {
      const sample = begin + Math.floor(row / labels);
      throw new Problem("non-finite-values", `The model's output for sample ${sample} is not a number.`);
    }
    lossSum += loss;
    if (predicted === label) correct++;
  }
  return { lossSum, correct, count: sums.count + count };
}

/** Cross-entropy of one row by log-sum-exp, and the first class with the largest logit. */
function crossEntropy(
  logits: Float32Array,
  offset: number,
  classes: number,
  label: number,
): { loss: number; predicted: number } {
  let largest = -Infinity;
  let predicted = 0;
  for (let k = 0; k < classes; k++) {
    const logit = logits[offset + k] ?? Number.NaN;
    if (logit > largest) {
      largest = logit;
      predicted = k;
    }
  }
  let sum = 0;
  for (let k = 0; k < classes; k++) sum += Math.exp((logits[offset + k] ?? Number.NaN) - largest);
  return { loss: Math.log(sum) + largest - (logits[offset + label] ?? Number.NaN), predicted };
}

function checkFit(model: LayersModel, shard: Shard): number {
  const [input] = model.inputs;
  const [output] = model.outputs;
  const wanted = input?.shape.slice(1) ?? [];
  const classes = output?.shape.at(-1);
  if (wanted.join() !== shard.inputShape.join() || typeof classes !== "number") {
    throw new Problem("incompatible-dataset", `Samples are [${shard.inputShape}], the model takes [${wanted}].`);
  }
  const wantedLabels = (output?.shape ?? []).slice(1, -1).reduce((product: number, size) => product * (size ?? 0), 1);
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
  return classes;
}
