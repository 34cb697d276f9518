import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { assignWeights, buildModel, sampleShapeOf, weightSpecs } from "../../../shared/models/index.ts";
import { RandomStream } from "../../../shared/random/stream.ts";
import { useCpuBackend } from "../../support/cpu-backend.ts";
import { asReference } from "../../support/reference-network/compare.ts";
import { referenceLogits } from "../../support/reference-network/networks.ts";
import { crossEntropy, type Values } from "../../support/reference-network/operations.ts";
import { tapeGradients } from "../../support/tape-gradients.ts";
import { randomSamples, randomWeights, TINY_ARCHITECTURES } from "../../support/tiny-architectures.ts";

const BATCH = 3;
/** Step of the central differences. In float64 what they lose to rounding is about 1e-10. */
const STEP = 1e-6;

/** A unit vector of one weight's size: towards one entry, or in a random direction. */
function directions(size: number, random: RandomStream): Float64Array[] {
  const single = () => {
    const direction = new Float64Array(size);
    direction[random.below(size)] = 1;
    return direction;
  };
  const mixed = Float64Array.from({ length: size }, () => random.normal());
  const length = Math.hypot(...mixed);
  return [single(), single(), mixed.map((value) => value / length)];
}

describe("gradients on the CPU backend", () => {
  beforeAll(useCpuBackend);

  it.each(TINY_ARCHITECTURES)("of %s equal finite differences in float64", (_, architecture) => {
    const { loss, gradients, weights, samples, labels, names } = tapeGradients(architecture, BATCH);
    const input = { shape: [BATCH, ...sampleShapeOf(architecture)], data: Float64Array.from(samples) };
    const reference = asReference(weights);
    const lossAt = (point: ReadonlyMap<string, Values>) =>
      crossEntropy(referenceLogits(architecture, point, input, true), labels);
    expect(Math.abs(loss - lossAt(reference))).toBeLessThan(1e-5);

    expect([...gradients.keys()]).toEqual(names);
    const random = new RandomStream(7n, "directions");
    let largest = 0;
    for (const [name, gradient] of gradients) {
      const values = reference.get(name);
      if (values === undefined) throw new Error(name);
      for (const direction of directions(gradient.length, random)) {
        const moved = (distance: number) => {
          const data = values.data.map((value, index) => value + distance * (direction[index] ?? Number.NaN));
          return lossAt(new Map([...reference, [name, { shape: values.shape, data }]]));
        };
        const slope = (moved(STEP) - moved(-STEP)) / (2 * STEP);
        const along = gradient.reduce((sum, value, index) => sum + value * (direction[index] ?? Number.NaN), 0);
        const scale = Math.max(...gradient.map(Math.abs), 1e-2);
        expect(Math.abs(along - slope) / scale, `${name}: ${along}, not ${slope}`).toBeLessThan(5e-4);
        largest = Math.max(largest, Math.abs(slope));
      }
    }
    expect(largest).toBeGreaterThan(1e-2);
  });
});

describe("running statistics", () => {
  it("move a tenth of the way to the batch's in training and nowhere else, and are not trainable", async () => {
    await useCpuBackend();
    const [, architecture] = TINY_ARCHITECTURES.find(([name]) => name === "resnet, batch norm") ?? [];
    if (architecture === undefined) throw new Error("no such architecture");
    const model = buildModel(architecture);
    const specs = weightSpecs(model);
    const weights = randomWeights(specs, 5n);
    assignWeights(model, weights);
    const buffers = specs.filter((spec) => !spec.trainable);
    expect(buffers.map(({ name }) => name.split("/").at(-1))).toEqual(
      buffers.map((_, index) => (index % 2 === 0 ? "moving_mean" : "moving_variance")),
    );
    expect(buffers.length).toBe(2 * (1 + 3 * 2 + 2));
    const read = (name: string) => [
      ...(specs.find((spec) => spec.name === name)?.variable.dataSync<"float32">() ?? []),
    ];
    const before = buffers.map(({ name }) => read(name));
    const inputs = tf.tensor(randomSamples(architecture, 4, 1n), [4, ...sampleShapeOf(architecture)]);
    tf.dispose(model.predict(inputs));
    expect(buffers.map(({ name }) => read(name))).toEqual(before);

    // The stem's statistics follow from its kernel alone.
    const stem = tf.tidy(() => {
      const kernel = specs.find(({ name }) => name === "stem/kernel")?.variable as tf.Tensor4D;
      const { mean, variance } = tf.moments(tf.conv2d(inputs as tf.Tensor4D, kernel, 1, "same"), [0, 1, 2]);
      return { mean: [...mean.dataSync<"float32">()], variance: [...variance.dataSync<"float32">()] };
    });
    const tensors = tf.memory().numTensors;
    tf.dispose(model.apply(inputs, { training: true }) as tf.Tensor);
    expect(tf.memory().numTensors).toBe(tensors);
    for (const [role, batch] of [
      ["moving_mean", stem.mean],
      ["moving_variance", stem.variance],
    ] as const) {
      const old = [...(weights.get(`stem_norm/${role}`)?.values ?? [])];
      for (const [index, value] of read(`stem_norm/${role}`).entries()) {
        expect(value).toBeCloseTo(0.9 * (old[index] ?? Number.NaN) + 0.1 * (batch[index] ?? Number.NaN), 5);
      }
    }
    inputs.dispose();
    model.dispose();
  });
});
