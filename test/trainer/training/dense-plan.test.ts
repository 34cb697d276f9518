import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { beforeAll, describe, expect, it } from "vitest";
import { weightSpecs } from "../../../shared/models/weights.ts";
import { densePlan } from "../../../trainer/training/dense-plan.ts";
import {
  automatic,
  chain,
  dense,
  gradientsBySteps,
  input,
  makeModel,
  type MakeStep,
  optimizerFor,
  planned,
  startBackend,
} from "./step-models.ts";

beforeAll(startBackend);

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
    const run = (make: MakeStep) => {
      weightSpecs(model).forEach(({ variable }, index) =>
        tf.tidy(() => variable.assign(tf.tensor(initial[index] ?? [], variable.shape))),
      );
      return gradientsBySteps(model, (optimizer) => make(model, optimizer)(x, y, 1));
    };
    const [actual, reference] = [run(planned), run(automatic)];
    actual.flat().forEach((value, index) => expect(value).toBeCloseTo(reference.flat()[index] ?? Number.NaN, 6));
    model.dispose();
    tf.dispose([x, y]);
  });

  it("refuses an optimizer over another model", () => {
    const [model, other] = [makeModel([8]), makeModel([8])];
    const optimizer = optimizerFor(other);
    expect(() => planned(model, optimizer)).toThrow("is not a weight of the model");
    optimizer.dispose();
    model.dispose();
    other.dispose();
  });
});
