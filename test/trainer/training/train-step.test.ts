import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { beforeAll, describe, expect, it } from "vitest";
import { frozenMask } from "../../../shared/alignment/mask.ts";
import { buildModel } from "../../../shared/models/build.ts";
import { initialWeights } from "../../../shared/models/initialize.ts";
import { assignWeights, weightSpecs } from "../../../shared/models/weights.ts";
import { RandomStream } from "../../../shared/random/stream.ts";
import { startWasmBackend, type TrainingBackend } from "../../../trainer/backend/wasm.ts";
import { densePlan } from "../../../trainer/training/dense-plan.ts";
import { createGradientStep } from "../../../trainer/training/gradient-step.ts";
import { MaskedSgd } from "../../../trainer/training/masked-sgd.ts";
import { createTrainStep } from "../../../trainer/training/train-step.ts";
import { lossAndGradients, type OracleLayer } from "./mlp-oracle.ts";

let backend: TrainingBackend;
beforeAll(async () => {
  backend = await startWasmBackend();
});

const SHAPE = [3, 4, 1];
const CLASSES = 5;

function makeModel(hidden: readonly number[], classes = CLASSES): tfl.LayersModel {
  const model = buildModel({ architecture: "mlp", input: SHAPE, hidden: [...hidden], classes });
  assignWeights(model, initialWeights(model, 3n));
  return model;
}

function optimizerFor(model: tfl.LayersModel, fixedRatio = 0, momentum = 0): MaskedSgd {
  const parameters = weightSpecs(model).map(({ name, variable }) => ({
    name,
    variable,
    frozen: fixedRatio === 0 ? undefined : frozenMask({ seed: 5n, fixedRatio }, name, 0, variable.size),
  }));
  return new MaskedSgd(backend, parameters, { momentum });
}

function makeBatch(size: number, classes = CLASSES) {
  const random = new RandomStream(11n, `batch of ${size}`);
  const samples = Array.from({ length: size }, () =>
    Array.from({ length: 12 }, () => Math.fround(2 * random.uniform() - 1)),
  );
  const labels = Array.from({ length: size }, () => Math.floor(random.uniform() * classes));
  return { samples, labels, x: tf.tensor(samples.flat(), [size, ...SHAPE]), y: tf.tensor1d(labels, "int32") };
}

function oracleLayers(model: tfl.LayersModel): OracleLayer[] {
  return model.layers
    .filter((layer) => layer.getClassName() === "Dense")
    .map((layer) => {
      const [kernel, bias] = layer.getWeights().map((weight) => weight.arraySync());
      return { kernel: kernel as number[][], bias: bias as number[] };
    });
}

/** One step of rate 1 without momentum moves each weight by minus its gradient. */
function gradientsBySteps(model: tfl.LayersModel, run: (optimizer: MaskedSgd) => void): number[][] {
  const before = weightSpecs(model).map(({ variable }) => variable.dataSync().slice());
  const optimizer = optimizerFor(model);
  run(optimizer);
  optimizer.dispose();
  return weightSpecs(model).map(({ variable }, index) =>
    [...variable.dataSync()].map((after, element) => (before[index]?.[element] ?? Number.NaN) - after),
  );
}

const STEPS = [
  { name: "planned", make: createTrainStep },
  { name: "by automatic differentiation", make: createGradientStep },
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
    const gradients = gradientsBySteps(model, (optimizer) => createTrainStep(model, optimizer)(x, y, 1));
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

/** A dense layer of four units. */
function dense(options: Partial<Parameters<typeof tfl.layers.dense>[0]> = {}): tfl.layers.Layer {
  return tfl.layers.dense({ units: 4, ...options });
}

function input(): tfl.SymbolicTensor {
  return tfl.input({ shape: [4] });
}

/** Four inputs, then the layers one after another. */
function chain(...layers: tfl.layers.Layer[]): tfl.LayersModel {
  const start = input();
  const end = layers.reduce((signal, layer) => layer.apply(signal) as tfl.SymbolicTensor, start);
  return tfl.model({ inputs: start, outputs: end });
}

describe("the plan", () => {
  it("takes the project's MLPs", () => {
    const model = makeModel([8, 6]);
    expect(densePlan(model)?.map(({ kernel, inputs, units, relu }) => [kernel.name, inputs, units, relu])).toEqual([
      ["hidden_0/kernel", 12, 8, true],
      ["hidden_1/kernel", 8, 6, true],
      ["output/kernel", 6, 5, false],
    ]);
    model.dispose();
  });

  it.each([
    ["another activation", () => chain(dense({ activation: "tanh" }), dense())],
    ["a regularizer", () => chain(dense({ kernelRegularizer: "l1l2" }), dense())],
    ["a constraint", () => chain(dense({ biasConstraint: "nonNeg" }), dense())],
    ["a layer that does not train", () => chain(dense({ trainable: false }), dense())],
    ["ReLU at the end", () => chain(dense({ activation: "relu" }))],
    ["another layer", () => chain(tfl.layers.dropout({ rate: 0.5 }), dense())],
    [
      "a branch",
      () => {
        const start = input();
        const first = dense().apply(start) as tfl.SymbolicTensor;
        const sum = tfl.layers.add().apply([first, dense().apply(first) as tfl.SymbolicTensor]);
        return tfl.model({ inputs: start, outputs: sum as tfl.SymbolicTensor });
      },
    ],
    [
      "a shared layer",
      () => {
        const shared = dense();
        return chain(shared, shared);
      },
    ],
  ])("leaves %s to automatic differentiation", (_name, make) => {
    const model = make();
    expect(densePlan(model)).toBeUndefined();
    model.dispose();
  });

  it("is not fooled by a chain without biases", () => {
    const model = chain(
      dense({ units: 6, useBias: false, activation: "relu", name: "first" }),
      dense({ useBias: false, name: "second" }),
    );
    expect(densePlan(model)?.map(({ bias }) => bias)).toEqual([undefined, undefined]);
    const initial = weightSpecs(model).map(({ variable }) => variable.dataSync().slice());
    const x = tf.randomUniform([5, 4], -1, 1, "float32", 1);
    const y = tf.tensor1d([0, 1, 2, 3, 0], "int32");
    const run = (make: typeof createTrainStep) => {
      weightSpecs(model).forEach(({ variable }, index) =>
        tf.tidy(() => variable.assign(tf.tensor(initial[index] ?? [], variable.shape))),
      );
      return gradientsBySteps(model, (optimizer) => make(model, optimizer)(x, y, 1));
    };
    const [planned, reference] = [run(createTrainStep), run(createGradientStep)];
    planned.flat().forEach((value, index) => expect(value).toBeCloseTo(reference.flat()[index] ?? Number.NaN, 6));
    model.dispose();
    tf.dispose([x, y]);
  });

  it("refuses an optimizer over another model", () => {
    const [model, other] = [makeModel([8]), makeModel([8])];
    const optimizer = optimizerFor(other);
    expect(() => createTrainStep(model, optimizer)).toThrow("is not a weight of the model");
    optimizer.dispose();
    model.dispose();
    other.dispose();
  });
});
