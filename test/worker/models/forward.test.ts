import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { assignWeights, buildModel, sampleShapeOf, weightSpecs } from "../../../shared/models/index.ts";
import { engineOf } from "../../../worker/engine/engine.ts";
import { asReference, largestDifference } from "../../support/reference-network/compare.ts";
import { referenceLogits } from "../../support/reference-network/networks.ts";
import { randomSamples, randomWeights, TINY_ARCHITECTURES } from "../../support/tiny-architectures.ts";

const BATCH = 2;

/** Inside workerd, on the engine that serves probes: a layer or a kernel that is missing there shows here. */
describe("the worker's forward pass", () => {
  beforeAll(async () => {
    await engineOf(64_000_000);
    expect(tf.getBackend()).toBe("wasm");
  });

  it.each(TINY_ARCHITECTURES)("of %s equals loops in float64", (_, architecture) => {
    const model = buildModel(architecture);
    const weights = randomWeights(weightSpecs(model), 3n);
    assignWeights(model, weights);
    const samples = randomSamples(architecture, BATCH, 4n);
    const shape = [BATCH, ...sampleShapeOf(architecture)];
    const logits = tf.tidy(() =>
      (model.predict(tf.tensor(samples, shape, "float32")) as tf.Tensor).dataSync<"float32">().slice(),
    );
    model.dispose();
    const input = { shape, data: Float64Array.from(samples) };
    const expected = referenceLogits(architecture, asReference(weights), input).data;
    expect(largestDifference(logits, expected)).toBeLessThan(1e-4);
    expect(Math.max(...expected) - Math.min(...expected)).toBeGreaterThan(0.05);
  });
});
