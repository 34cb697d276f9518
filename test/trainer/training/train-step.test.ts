import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { frozenMask } from "../../../shared/alignment/mask.ts";
import { weightSpecs } from "../../../shared/models/weights.ts";
import { lossAndGradients } from "./mlp-oracle.ts";
import {
  CLASSES,
  automatic,
  backend,
  gradientsBySteps,
  makeBatch,
  makeModel,
  optimizerFor,
  oracleLayers,
  planned,
  startBackend,
} from "./step-models.ts";

beforeAll(startBackend);

const STEPS = [
  { name: "planned", make: planned },
  { name: "by automatic differentiation", make: automatic },
];

describe.each(STEPS)("the step $name", ({ make }) => {
  it.each([{ hidden: [] }, { hidden: [7] }, { hidden: [17, 8] }, { hidden: [9, 13, 6, 33] }])(
    "has the loss and gradients of float64, hidden layers $hidden",
    ({ hidden }) => {
      const model = makeModel(hidden);
      const { samples, labels, x, y } = makeBatch(13);
      const expected = lossAndGradients(oracleLayers(model), samples, labels);
      let loss = Number.NaN;
      const gradients = gradientsBySteps(model, (optimizer) => {
        const step = make(model, optimizer);
        loss = step(x, y, 1);
        step.dispose();
      });
      expect(loss).toBeCloseTo(expected.loss, 5);
      expected.gradients.forEach((layer, index) => {
        const [kernel, bias] = [layer.kernel.flat(), layer.bias];
        // Weights are of size 1 and their differences are taken in float32.
        gradients[2 * index]?.forEach((value, i) => expect(Math.abs(value - (kernel[i] ?? 0))).toBeLessThan(1e-6));
        gradients[2 * index + 1]?.forEach((value, i) => expect(Math.abs(value - (bias[i] ?? 0))).toBeLessThan(1e-6));
      });
      model.dispose();
      tf.dispose([x, y]);
    },
  );

  it.each([0.1, 0.75])("smooths labels by %s: the mixture of the loss of the label and of all classes", (smoothing) => {
    const { samples, x, y, labels } = makeBatch(9);
    const model = makeModel([7]);
    const layers = oracleLayers(model);
    const expected = { loss: 0, bias: Array<number>(CLASSES).fill(0) };
    for (let label = -1; label < CLASSES; label++) {
      const share = label < 0 ? 1 - smoothing : smoothing / CLASSES;
      const targets = label < 0 ? labels : labels.map(() => label);
      const { loss, gradients } = lossAndGradients(layers, samples, targets);
      expected.loss += share * loss;
      gradients[1]?.bias.forEach((value, unit) => (expected.bias[unit] = (expected.bias[unit] ?? 0) + share * value));
    }
    let loss = Number.NaN;
    const gradients = gradientsBySteps(model, (optimizer) => {
      const step = make(model, optimizer, smoothing);
      loss = step(x, y, 1);
      step.dispose();
    });
    expect(loss).toBeCloseTo(expected.loss, 5);
    expected.bias.forEach((value, unit) => expect(Math.abs((gradients[3]?.[unit] ?? 9) - value)).toBeLessThan(1e-6));
    model.dispose();
    tf.dispose([x, y]);
  });

  it("makes no tensors that outlive it, for batches of any size", () => {
    const model = makeModel([8, 8]);
    const optimizer = optimizerFor(model, 0.4, 0.9);
    const step = make(model, optimizer);
    const batches = [4, 9, 1, 9].map((size) => makeBatch(size));
    batches.forEach(({ x, y }) => step(x, y, 0.1));
    const before = tf.memory();
    for (let i = 0; i < 5; i++) batches.forEach(({ x, y }) => step(x, y, 0.1));
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
    step.dispose();
    optimizer.dispose();
    model.dispose();
    batches.forEach(({ x, y }) => tf.dispose([x, y]));
  });

  it("gives its heap back when disposed", () => {
    const { x, y } = makeBatch(64);
    const once = () => {
      const model = makeModel([512, 512]);
      const optimizer = optimizerFor(model, 0.4, 0.9);
      const step = make(model, optimizer);
      step(x, y, 0.1);
      step.dispose();
      optimizer.dispose();
      model.dispose();
    };
    for (let i = 0; i < 3; i++) once();
    const before = backend.kernels.heap.memory.buffer.byteLength;
    for (let i = 0; i < 30; i++) once(); // about 4 MB of weights, velocities and gradients each
    expect(backend.kernels.heap.memory.buffer.byteLength).toBe(before);
    tf.dispose([x, y]);
  });

  it("learns, and leaves frozen entries bit-identical", () => {
    const model = makeModel([32, 32]);
    const initial = weightSpecs(model).map(({ variable }) => new Uint32Array(variable.dataSync().slice().buffer));
    const optimizer = optimizerFor(model, 0.4, 0.9);
    const step = make(model, optimizer);
    const { x, y } = makeBatch(24);
    const first = step(x, y, 0.1);
    let last = first;
    for (let i = 0; i < 150; i++) last = step(x, y, 0.1);
    expect(last).toBeLessThan(first / 10);
    // A diverged batch: every gradient becomes NaN.
    const broken = tf.fill(x.shape, Number.NaN);
    expect(step(broken, y, 0.1)).toBeNaN();
    weightSpecs(model).forEach(({ name, variable }, index) => {
      const mask = frozenMask({ seed: 5n, fixedRatio: 0.4 }, name, 0, variable.size);
      const end = new Uint32Array(variable.dataSync().slice().buffer);
      const moved = [...mask.keys()].filter((element) => end[element] !== initial[index]?.[element]);
      expect(moved.filter((element) => mask[element] === 1)).toEqual([]);
      expect(moved.length).toBeGreaterThan(0);
    });
    step.dispose();
    optimizer.dispose();
    model.dispose();
    tf.dispose([x, y, broken]);
  });

  it("refuses a label that is no class, and then changes nothing", () => {
    const model = makeModel([8]);
    const optimizer = optimizerFor(model);
    const step = make(model, optimizer);
    const { x } = makeBatch(3);
    const before = weightSpecs(model).map(({ variable }) => variable.dataSync().slice());
    const tensors = tf.memory().numTensors;
    for (const bad of [-1, CLASSES]) {
      const labels = tf.tensor1d([0, bad, 1], "int32");
      expect(() => step(x, labels, 0.1)).toThrow("the label of sample 1 of the batch is not in [0, 5)");
      labels.dispose();
    }
    expect(tf.memory().numTensors).toBe(tensors);
    expect(weightSpecs(model).map(({ variable }) => variable.dataSync().slice())).toEqual(before);
    step.dispose();
    optimizer.dispose();
    model.dispose();
    x.dispose();
  });

  it("refuses labels that are not one int32 a sample", () => {
    const model = makeModel([8]);
    const optimizer = optimizerFor(model);
    const step = make(model, optimizer);
    const { x } = makeBatch(3);
    expect(() => step(x, tf.tensor1d([0, 1], "int32"), 0.1)).toThrow("not int32[3]");
    expect(() => step(x, tf.tensor1d([0, 1, 2], "float32"), 0.1)).toThrow("not int32[3]");
    step.dispose();
    optimizer.dispose();
    model.dispose();
    x.dispose();
  });
});

describe("gradients", () => {
  it("are the finite differences of the loss", () => {
    const model = makeModel([6, 7]);
    const { samples, labels, x, y } = makeBatch(10);
    const layers = oracleLayers(model);
    const gradients = gradientsBySteps(model, (optimizer) => planned(model, optimizer)(x, y, 1));
    const width = 1e-5;
    layers.forEach(({ kernel, bias }, index) => {
      const slots = [
        ...kernel.map((row) => ({ row, list: gradients[2 * index] })),
        { row: bias, list: gradients[2 * index + 1] },
      ];
      let element = 0;
      for (const { row, list } of slots) {
        if (list !== gradients[2 * index]) element = 0;
        for (const [column, value] of row.entries()) {
          row[column] = value + width;
          const above = lossAndGradients(layers, samples, labels).loss;
          row[column] = value - width;
          const below = lossAndGradients(layers, samples, labels).loss;
          row[column] = value;
          expect(Math.abs((list?.[element++] ?? Number.NaN) - (above - below) / (2 * width))).toBeLessThan(1e-5);
        }
      }
    });
    model.dispose();
    tf.dispose([x, y]);
  });
});

it.each([-0.1, 1, Number.NaN])("refuses a label smoothing of %s", (labelSmoothing) => {
  const model = makeModel([8]);
  const optimizer = optimizerFor(model);
  expect(() => planned(model, optimizer, labelSmoothing)).toThrow("is not in [0, 1)");
  optimizer.dispose();
  model.dispose();
});
