import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { evaluableOf } from "../../../shared/evaluation/evaluable.ts";
import { Mixture, mixtureOf } from "../../../shared/evaluation/mixture.ts";
import { type Architecture, architectureSchema, type Weights, weightShapes } from "../../../shared/models/index.ts";
import { randomModels } from "../../support/probe-data.ts";
import { mixedWeights } from "../../support/reference-network/probe.ts";
import { randomWeights } from "../../support/tiny-architectures.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

const ARCHITECTURE: Architecture = architectureSchema.parse({
  architecture: "vgg",
  input: [4, 4, 1],
  depth: 11,
  norm: "batch",
  width: 1 / 64,
  pools: 1,
  classes: 3,
});

beforeAll(async () => void (await wasmEngine()));

/** Four models whose every second entry is the same in all. */
function models(): Weights[] {
  const [first, ...others] = randomModels(ARCHITECTURE, 4);
  const alike = others.map(
    (other): Weights =>
      new Map(
        Array.from(other, ([name, { shape, values }]) => [
          name,
          {
            shape,
            values: values.map((value, index) => (index % 2 === 0 ? (first?.get(name)?.values[index] ?? 0) : value)),
          },
        ]),
      ),
  );
  return [first ?? new Map(), ...alike];
}

function weightsAt(mixture: Mixture, coefficients: readonly number[]): Map<string, Float32Array> {
  mixture.moveTo(coefficients);
  return new Map(mixture.evaluable.specs.map(({ name, variable }) => [name, variable.dataSync<"float32">()]));
}

describe("a mixture", () => {
  it("keeps equal entries bit-equal everywhere, and is everywhere where float64 has it but for rounding", () => {
    const endpoints = models();
    const mixture = mixtureOf(ARCHITECTURE, endpoints);
    const coefficient = fc.oneof(fc.constant(0), fc.double({ min: -1.5, max: 1.5, noNaN: true }));
    fc.assert(
      fc.property(coefficient, coefficient, coefficient, (b, c, d) => {
        const coefficients = [1 - b - c - d, b, c, d];
        const expected = mixedWeights(endpoints, coefficients);
        for (const [name, values] of weightsAt(mixture, coefficients)) {
          const common = endpoints[0]?.get(name)?.values ?? [];
          for (const [index, value] of values.entries()) {
            if (index % 2 === 0) expect(value).toBe(common[index]);
            else expect(Math.abs(value - (expected.get(name)?.data[index] ?? Number.NaN))).toBeLessThan(1e-5);
          }
        }
      }),
      { numRuns: 25 },
    );
    mixture.dispose();
  });

  it("is an endpoint exactly where all is its share, and lies on the line of two exactly as their own path", () => {
    const endpoints = models();
    const mixture = mixtureOf(ARCHITECTURE, endpoints);
    for (const [own, endpoint] of endpoints.entries()) {
      const found = weightsAt(
        mixture,
        endpoints.map((_, index) => (index === own ? 1 : 0)),
      );
      for (const [name, values] of found) expect(values).toEqual(endpoint.get(name)?.values);
    }
    const pair = mixtureOf(ARCHITECTURE, endpoints.slice(1, 3));
    expect(weightsAt(mixture, [0, 0.7, 0.3, 0])).toEqual(weightsAt(pair, [0.7, 0.3]));
    pair.dispose();
    mixture.dispose();
  });

  it("has the float32 mean of two", () => {
    const [a, b] = models();
    if (a === undefined || b === undefined) throw new Error("there are four models");
    const mixture = mixtureOf(ARCHITECTURE, [a, b]);
    for (const [name, values] of weightsAt(mixture, [0.5, 0.5])) {
      for (const [index, value] of values.entries()) {
        const [first, second] = [a, b].map((model) => model.get(name)?.values[index] ?? Number.NaN);
        expect(value).toBe(Math.fround((first ?? 0) + Math.fround(Math.fround((second ?? 0) - (first ?? 0)) * 0.5)));
      }
    }
    mixture.dispose();
  });

  it.each([[[1]], [[0.5, 0.4]], [[1, 0, 0]], [[Number.NaN, 1]], [[Infinity, -Infinity]], [[0, 0]]])(
    "has no point %j",
    (coefficients) => {
      const mixture = mixtureOf(ARCHITECTURE, models().slice(0, 2));
      expect(() => mixture.moveTo(coefficients)).toThrow(RangeError);
      mixture.dispose();
    },
  );

  it("leaves its model to its owner, and nothing else behind", () => {
    const before = tf.memory().numTensors;
    const evaluable = evaluableOf(ARCHITECTURE);
    const model = tf.memory().numTensors;
    for (const count of [1, 3]) {
      const mixture = new Mixture(evaluable, models().slice(0, count));
      mixture.moveTo(Array.from({ length: count }, () => 1 / count));
      mixture.dispose();
      expect(tf.memory().numTensors).toBe(model);
    }
    evaluable.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses weights that do not fit, before it builds anything", () => {
    const [a] = models();
    const before = tf.memory().numTensors;
    const missing = new Map(a);
    missing.delete("output/bias");
    expect(() => mixtureOf(ARCHITECTURE, [a ?? new Map(), missing])).toThrow(
      expect.objectContaining({ code: "incompatible-weights", members: { differences: ["output/bias is missing"] } }),
    );
    const evaluable = evaluableOf(ARCHITECTURE);
    const other = randomWeights(weightShapes({ ...ARCHITECTURE, classes: 4 }), 1n);
    expect(() => new Mixture(evaluable, [other])).toThrow(expect.objectContaining({ code: "incompatible-weights" }));
    expect(() => new Mixture(evaluable, [])).toThrow(RangeError);
    evaluable.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([Number.NaN, Infinity, -Infinity])("refuses a weight of %d, which a ReLU might hide", (value) => {
    const [a, b] = models();
    const spoilt = new Map(b);
    const bias = spoilt.get("output/bias");
    if (a === undefined || bias === undefined) throw new Error("there are four models");
    spoilt.set("output/bias", { ...bias, values: bias.values.map((own, index) => (index === 1 ? value : own)) });
    const before = tf.memory().numTensors;
    expect(() => mixtureOf(ARCHITECTURE, [a, spoilt])).toThrow(
      expect.objectContaining({ code: "non-finite-values", members: { tensor: "output/bias", index: 1 } }),
    );
    expect(tf.memory().numTensors).toBe(before);
  });
});
