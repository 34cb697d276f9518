import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { beforeAll, describe, expect, it } from "vitest";
import { type Evaluable, evaluableOf, evaluableOfLayersModel } from "../../../shared/evaluation/evaluable.ts";
import {
  architectureSchema,
  assignWeights,
  buildModel,
  sampleShapeOf,
  weightShapes,
} from "../../../shared/models/index.ts";
import { randomSamples, randomWeights, TINY_ARCHITECTURES } from "../../support/tiny-architectures.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

beforeAll(async () => void (await wasmEngine()));

const image = { input: [24, 24, 3], classes: 10 };
/** Networks as they are used, so that no constant hides in the sizes. */
const COMMON = [
  ["mlp", { architecture: "mlp", ...image, hidden: [64, 64] }],
  ["cnn", { architecture: "cnn", ...image }],
  ["vgg, batch norm", { architecture: "vgg", ...image, depth: 11, norm: "batch", width: 0.25, pools: 4 }],
  ["resnet", { architecture: "resnet", ...image, depth: 8, norm: "batch" }],
  ["resnet, layer norm", { architecture: "resnet", ...image, depth: 8, norm: "layer" }],
  ["vit", { architecture: "vit", ...image, patch: 2, width: 32, depth: 2, heads: 4 }],
  [
    "transformer",
    {
      architecture: "transformer",
      vocabulary: 20,
      length: 24,
      width: 32,
      depth: 2,
      heads: 4,
      causal: true,
      classes: 20,
    },
  ],
] as const;

/** The most bytes a forward pass of `count` samples has at a time, as tfjs counts them, with the samples and views. */
async function peakBytes(evaluable: Evaluable, samples: Float32Array, count: number): Promise<number> {
  const before = tf.memory().numBytes;
  const { peakBytes: peak } = await tf.profile(() =>
    tf.tidy(() => void evaluable.predict(tf.tensor(samples, [count, ...evaluable.inputShape]))),
  );
  return peak - before;
}

describe("a model that can be evaluated", () => {
  it.each(TINY_ARCHITECTURES)("is had of %s, with its shapes, weights and outputs", (_, architecture) => {
    const evaluable = evaluableOf(architecture);
    const model = buildModel(architecture);
    try {
      const weights = randomWeights(weightShapes(architecture), 3n);
      assignWeights(model, weights);
      for (const { name, shape, variable } of evaluable.specs) {
        variable.assign(tf.tensor(weights.get(name)?.values ?? [], [...shape]));
      }
      expect(evaluable.specs.map(({ name }) => name).sort()).toEqual([...weights.keys()].sort());
      expect(evaluable.inputShape).toEqual(sampleShapeOf(architecture));
      tf.tidy(() => {
        const x = tf.tensor(randomSamples(architecture, 3, 1n), [3, ...evaluable.inputShape]);
        const outputs = evaluable.predict(x);
        expect(outputs.shape).toEqual([3, ...evaluable.outputShape]);
        expect(outputs.dataSync()).toEqual((model.predict(x) as tf.Tensor).dataSync());
      });
    } finally {
      evaluable.dispose();
      model.dispose();
    }
  });

  it.each(COMMON)("says about how much memory %s takes, rather too much than too little", async (_, declared) => {
    const architecture = architectureSchema.parse(declared);
    const evaluable = evaluableOf(architecture);
    try {
      const four = await peakBytes(evaluable, randomSamples(architecture, 4, 1n), 4);
      const eight = await peakBytes(evaluable, randomSamples(architecture, 8, 1n), 8);
      // Views of weights are counted too; they are the same for any number of samples.
      const each = (eight - four) / 4;
      expect(evaluable.activationBytesPerSample).toBeGreaterThanOrEqual(each);
      expect(evaluable.activationBytesPerSample).toBeLessThan(3 * each);
    } finally {
      evaluable.dispose();
    }
  });
});

describe("the batch normalisations of a model", () => {
  it("come from the input to the output, with their statistics and inputs", () => {
    const evaluable = evaluableOf(
      architectureSchema.parse({
        architecture: "resnet",
        input: [6, 6, 2],
        depth: 8,
        norm: "batch",
        width: 2,
        classes: 3,
      }),
    );
    try {
      const names = evaluable.normalizations.map(({ name }) => name);
      expect(names).toHaveLength(9);
      expect(names[0]).toBe("stem_norm");
      for (const block of [0, 1, 2]) {
        expect(names.indexOf(`block_${block}/norm_1`)).toBeLessThan(names.indexOf(`block_${block}/norm_2`));
      }
      for (const { name, meanName, varianceName, movingMean, movingVariance, inputOf } of evaluable.normalizations) {
        expect([meanName, varianceName]).toEqual([`${name}/moving_mean`, `${name}/moving_variance`]);
        const variables = evaluable.specs.filter((spec) => [meanName, varianceName].includes(spec.name));
        expect(variables.map(({ variable }) => variable)).toEqual([movingMean, movingVariance]);
        tf.tidy(() => void expect(inputOf(tf.zeros([5, 6, 6, 2])).shape.at(-1)).toBe(movingMean.size));
      }
    } finally {
      evaluable.dispose();
    }
  });

  it("are none where a model has none", () => {
    for (const [name, architecture] of TINY_ARCHITECTURES) {
      const isNormalized = "norm" in architecture && architecture.norm === "batch";
      const evaluable = evaluableOf(architecture);
      expect(evaluable.normalizations.length > 0, name).toBe(isNormalized);
      evaluable.dispose();
    }
  });

  it("are found in any tf.layers model, also right behind the input and over another axis", () => {
    const layers = [
      tfl.layers.batchNormalization({ inputShape: [4, 3], axis: 1 }),
      tfl.layers.flatten(),
      tfl.layers.dense({ units: 2 }),
      tfl.layers.batchNormalization({}),
    ];
    const before = tf.memory().numTensors;
    const evaluable = evaluableOfLayersModel(tfl.sequential({ layers }), (name) => name.toUpperCase());
    try {
      const [first, second] = evaluable.normalizations;
      expect(first).toMatchObject({ channelAxis: 1, meanName: expect.stringMatching(/\/MOVING_MEAN$/) as string });
      tf.tidy(() => {
        const x = tf.randomNormal([5, 4, 3]);
        expect(first?.inputOf(x).dataSync()).toEqual(x.dataSync());
        expect(second?.inputOf(x).shape).toEqual([5, 2]);
      });
      expect(evaluable.specs.map(({ name }) => name)).toContain(second?.varianceName);
    } finally {
      evaluable.dispose();
    }
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before);
  });

  it("are found in nested models too, each behind those before it", () => {
    const nested = tfl.sequential({
      layers: [
        tfl.layers.batchNormalization({ inputShape: [4], name: "second" }),
        tfl.layers.activation({ activation: "relu" }),
        tfl.layers.batchNormalization({ name: "third" }),
      ],
    });
    const before = tf.memory().numTensors;
    const evaluable = evaluableOfLayersModel(
      tfl.sequential({
        layers: [
          tfl.layers.batchNormalization({ inputShape: [4], name: "first" }),
          nested,
          tfl.layers.batchNormalization({ name: "fourth" }),
        ],
      }),
    );
    try {
      expect(evaluable.normalizations.map(({ name }) => name)).toEqual(["first", "second", "third", "fourth"]);
      const tensors = tf.memory().numTensors;
      tf.tidy(() => {
        const x = tf.randomNormal([3, 4]);
        const inputs: Float32Array[] = [];
        const met: string[] = [];
        evaluable.passThrough?.(x, ({ name }, input) => {
          met.push(name);
          inputs.push(input.dataSync<"float32">());
        });
        expect(met).toEqual(["first", "second", "third", "fourth"]);
        for (const [index, { inputOf }] of evaluable.normalizations.entries()) {
          expect(inputOf(x).dataSync()).toEqual(inputs[index]);
        }
        // The layers are as they were.
        expect(evaluable.predict(x).shape).toEqual([3, 4]);
        expect(evaluable.activationBytesPerSample).toBeGreaterThan(4 * 4 * 4);
      });
      expect(tf.memory().numTensors).toBe(tensors);
    } finally {
      evaluable.dispose();
    }
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before);
  });

  it("cannot be recomputed where one is used twice", () => {
    const norm = tfl.layers.batchNormalization({ name: "shared" });
    const input = tfl.input({ shape: [4] });
    const twice = norm.apply(norm.apply(input)) as tfl.SymbolicTensor;
    const evaluable = evaluableOfLayersModel(tfl.model({ inputs: input, outputs: twice }));
    try {
      tf.tidy(() => {
        expect(() => evaluable.passThrough?.(tf.zeros([2, 4]), () => undefined)).toThrow(
          expect.objectContaining({ code: "unsupported-topology" }),
        );
        expect(evaluable.predict(tf.zeros([2, 4])).shape).toEqual([2, 4]);
      });
    } finally {
      evaluable.dispose();
    }
  });
});
