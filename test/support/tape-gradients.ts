import * as tf from "@tensorflow/tfjs-core";
import {
  type Architecture,
  assignWeights,
  buildModel,
  labelsPerSampleOf,
  sampleShapeOf,
  weightSpecs,
} from "../../shared/models/index.ts";
import { RandomStream } from "../../shared/random/stream.ts";
import { randomSamples, randomWeights } from "./tiny-architectures.ts";

export function randomLabels(architecture: Architecture, batch: number): Int32Array<ArrayBuffer> {
  const random = new RandomStream(9n, "labels");
  const length = batch * labelsPerSampleOf(architecture);
  return Int32Array.from({ length }, () => random.below(architecture.classes));
}

/**
 * Mean cross-entropy of random samples by tfjs's tape on the current backend, its gradient by every trainable weight, and
 * the running statistics after the step. The same samples, labels and weights for an architecture every time.
 */
export function tapeGradients(architecture: Architecture, batch: number) {
  const before = tf.memory().numTensors;
  const model = buildModel(architecture);
  const specs = weightSpecs(model);
  const weights = randomWeights(specs, 5n);
  assignWeights(model, weights);
  const samples = randomSamples(architecture, batch, 6n);
  const labels = randomLabels(architecture, batch);
  const trainable = specs.filter((spec) => spec.trainable);
  const gradients = new Map<string, Float32Array>();
  const loss = tf.tidy(() => {
    const inputs = tf.tensor(samples, [batch, ...sampleShapeOf(architecture)], "float32");
    const { value, grads } = tf.variableGrads(
      () => {
        const logits = model.apply(inputs, { training: true }) as tf.Tensor;
        const rows = tf.logSoftmax(tf.reshape(logits, [labels.length, architecture.classes]));
        const chosen = tf.oneHot(tf.tensor1d(labels, "int32"), architecture.classes);
        return tf.neg(tf.div(tf.sum(tf.mul(rows, chosen)), labels.length)) as tf.Scalar;
      },
      trainable.map(({ variable }) => variable),
    );
    for (const { name, variable } of trainable) {
      const gradient = grads[variable.name];
      if (gradient !== undefined) gradients.set(name, gradient.dataSync<"float32">().slice());
    }
    return value.dataSync()[0] ?? Number.NaN;
  });
  const buffers = new Map(
    specs
      .filter((spec) => !spec.trainable)
      .map(({ name, variable }) => [name, variable.dataSync<"float32">().slice()] as const),
  );
  const names = trainable.map(({ name }) => name);
  model.dispose();
  const leaked = tf.memory().numTensors - before;
  return { loss, gradients, buffers, weights, samples, labels, names, leaked };
}
