import * as tf from "@tensorflow/tfjs-core";
import { type Architecture, labelsPerSampleOf, sampleShapeOf } from "../../../shared/models/index.ts";
import { RandomStream } from "../../../shared/random/stream.ts";
import { randomSamples } from "../../support/tiny-architectures.ts";

/** Random samples with random labels for any architecture, on the current backend; the caller disposes of them. */
export function randomBatch(architecture: Architecture, batch: number): { inputs: tf.Tensor; labels: tf.Tensor } {
  const random = new RandomStream(11n, "labels");
  const perSample = labelsPerSampleOf(architecture);
  const labels = Int32Array.from({ length: batch * perSample }, () => random.below(architecture.classes));
  return {
    inputs: tf.tensor(randomSamples(architecture, batch, 11n), [batch, ...sampleShapeOf(architecture)], "float32"),
    labels: tf.tensor(labels, perSample === 1 ? [batch] : [batch, perSample], "int32"),
  };
}

/** The largest difference, relative to the largest of the expected values where that is above 1; NaN counts as infinite. */
export function worstDifference(found: Float32Array | undefined, expected: Float32Array): number {
  if (found?.length !== expected.length) return Infinity;
  const scale = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
  return expected.reduce((worst, value, index) => {
    const difference = Math.abs((found[index] ?? Number.NaN) - value) / scale;
    return Number.isNaN(difference) ? Infinity : Math.max(worst, difference);
  }, 0);
}
