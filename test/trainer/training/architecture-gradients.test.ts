import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Architecture,
  architectureSchema,
  assignWeights,
  buildModel,
  labelsPerSampleOf,
  sampleShapeOf,
  weightSpecs,
} from "../../../shared/models/index.ts";
import { startWasmBackend, type WasmTrainingBackend } from "../../../trainer/backend/wasm.ts";
import { sgd } from "../../../trainer/training/regime.ts";
import { createTrainStep } from "../../../trainer/training/train-step.ts";
import { largestDifference } from "../../shared/kernels/beside-cpu.ts";
import { useCpuBackend } from "../../support/cpu-backend.ts";
import { randomLabels, tapeGradients } from "../../support/tape-gradients.ts";
import { randomSamples, randomWeights, TINY_ARCHITECTURES } from "../../support/tiny-architectures.ts";

let backend: WasmTrainingBackend;
beforeAll(async () => {
  backend = await startWasmBackend();
});

/** Large enough for whole panels, several blocks and odd rests in the kernels. */
const LARGER: readonly (readonly [string, Architecture])[] = Object.entries({
  "cnn 32-64-64": { architecture: "cnn", input: [19, 18, 3], classes: 10 },
  "resnet 8, batch norm": {
    architecture: "resnet",
    input: [12, 12, 3],
    depth: 8,
    norm: "batch",
    width: 16,
    classes: 10,
  },
  "resnet 8, layer norm": { architecture: "resnet", input: [9, 9, 3], depth: 8, norm: "layer", width: 12, classes: 10 },
  "vit of width 64": { architecture: "vit", input: [16, 16, 3], patch: 4, width: 64, depth: 2, heads: 4, classes: 10 },
}).map(([name, options]) => [name, architectureSchema.parse(options)]);

const BATCH = 5;

/** The tiny networks normalise over one to three channels: deviations near 0 magnify rounding errors on both backends. */
function tolerance(architecture: Architecture): number {
  const normalises = "norm" in architecture && architecture.norm !== "none";
  return normalises && !LARGER.some(([, larger]) => larger === architecture) ? 5e-4 : 1e-5;
}

describe("on the WASM backend", () => {
  it.each([...TINY_ARCHITECTURES, ...LARGER])("the gradients of %s are the CPU backend's", async (_, architecture) => {
    await tf.setBackend("wasm");
    const actual = tapeGradients(architecture, BATCH);
    await useCpuBackend();
    const expected = tapeGradients(architecture, BATCH);
    await tf.setBackend("wasm");

    expect([actual.leaked, expected.leaked]).toEqual([0, 0]);
    expect(Math.abs(actual.loss - expected.loss)).toBeLessThan(1e-5 * Math.max(1, expected.loss));
    expect([...actual.gradients.keys()]).toEqual([...expected.gradients.keys()]);
    const largest = Math.max(...[...expected.gradients.values()].flatMap((values) => [...values].map(Math.abs)));
    expect(largest).toBeGreaterThan(1e-3);
    for (const [name, values] of expected.gradients) {
      // Of the tensor's largest entry; a tensor whose true gradient is 0 (the bias of keys) holds rounding errors only.
      const own = actual.gradients.get(name) ?? new Float32Array();
      const size = Math.max(...values.map(Math.abs));
      const difference = largestDifference(own, values) * Math.min(1, size / (0.01 * largest));
      expect(difference, name).toBeLessThan(tolerance(architecture));
    }
    for (const [name, values] of expected.buffers) {
      expect(largestDifference(actual.buffers.get(name) ?? new Float32Array(), values), name).toBeLessThan(1e-5);
    }
  });

  it.each([...TINY_ARCHITECTURES, ...LARGER])("steps of %s learn and leave nothing behind", async (_, architecture) => {
    await tf.setBackend("wasm");
    const model = buildModel(architecture);
    const specs = weightSpecs(model);
    assignWeights(model, randomWeights(specs, 5n));
    const parameters = specs
      .filter((spec) => spec.trainable)
      .map(({ name, variable }) => ({ name, variable, frozen: undefined }));
    const optimizer = backend.createOptimizer(sgd(0.9).optimizer, parameters);
    const step = createTrainStep(model, optimizer, backend, { labelSmoothing: 0 });
    const inputs = tf.tensor(
      randomSamples(architecture, BATCH, 6n),
      [BATCH, ...sampleShapeOf(architecture)],
      "float32",
    );
    const positions = labelsPerSampleOf(architecture);
    const labels = tf.tensor(
      randomLabels(architecture, BATCH),
      positions === 1 ? [BATCH] : [BATCH, positions],
      "int32",
    );
    const run = (count: number) => Array.from({ length: count }, () => step(inputs, labels, 0.02) as number);

    const [first = Number.NaN] = run(5);
    const before = { ...tf.memory(), heap: backend.kernels.heap.memory.buffer.byteLength };
    const last = run(30).at(-1);
    const { numTensors, numDataBuffers } = tf.memory();
    expect(numTensors).toBe(before.numTensors);
    expect(numDataBuffers).toBe(before.numDataBuffers);
    expect(backend.kernels.heap.memory.buffer.byteLength).toBe(before.heap);
    expect(last).toBeLessThan(first);
    step.dispose();
    optimizer.dispose();
    model.dispose();
    tf.dispose([inputs, labels]);
  });
});
