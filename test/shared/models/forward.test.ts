import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import {
  assignWeights,
  buildModel,
  labelsPerSampleOf,
  sampleShapeOf,
  weightSpecs,
} from "../../../shared/models/index.ts";
import { referenceLogits } from "../../support/reference-network/networks.ts";
import { asReference, largestDifference } from "../../support/reference-network/compare.ts";
import { randomSamples, randomWeights, TINY_ARCHITECTURES } from "../../support/tiny-architectures.ts";
import { useCpuBackend } from "../../support/cpu-backend.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

const BATCH = 3;

describe.each(["cpu", "wasm"])("the forward pass on %s", (backend) => {
  beforeAll(async () => {
    if (backend === "cpu") return useCpuBackend();
    await wasmEngine();
    expect(tf.getBackend()).toBe("wasm");
  });

  it.each(TINY_ARCHITECTURES)("of %s equals loops in float64", (_, architecture) => {
    const model = buildModel(architecture);
    const specs = weightSpecs(model);
    const weights = randomWeights(specs, 3n);
    assignWeights(model, weights);
    const samples = randomSamples(architecture, BATCH, 4n);
    const shape = [BATCH, ...sampleShapeOf(architecture)];
    const logits = tf.tidy(() => (model.predict(tf.tensor(samples, shape, "float32")) as tf.Tensor).clone());
    const expected = referenceLogits(architecture, asReference(weights), {
      shape,
      data: Float64Array.from(samples),
    });
    expect(logits.shape).toEqual(expected.shape);
    const positions = labelsPerSampleOf(architecture);
    expect(logits.shape).toEqual([BATCH, ...(positions === 1 ? [] : [positions]), architecture.classes]);
    expect(largestDifference(logits.dataSync(), expected.data)).toBeLessThan(1e-4);
    // A network that says the same whatever it sees would pass a comparison of equals with ease.
    expect(Math.max(...expected.data) - Math.min(...expected.data)).toBeGreaterThan(0.05);
    logits.dispose();
    model.dispose();
  });

  it.each(TINY_ARCHITECTURES)("of %s takes whole numbers and leaves no tensor behind", (_, architecture) => {
    const before = tf.memory().numTensors;
    const model = buildModel(architecture);
    assignWeights(model, randomWeights(weightSpecs(model), 3n));
    const held = tf.memory().numTensors;
    tf.tidy(() => {
      const whole = tf.ones([2, ...sampleShapeOf(architecture)], "int32");
      const [asInt, asFloat] = [whole, tf.cast(whole, "float32")].map((x) =>
        (model.predict(x) as tf.Tensor).dataSync(),
      );
      if (architecture.architecture === "transformer") expect(asInt).toEqual(asFloat);
    });
    expect(tf.memory().numTensors).toBe(held);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
