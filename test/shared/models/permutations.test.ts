import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Architecture,
  buildModel,
  permutationSpec,
  type Permutations,
  permuteWeights,
  sampleShapeOf,
  weightSpecs,
} from "../../../shared/models/index.ts";
import { RandomStream } from "../../../shared/random/stream.ts";
import { useCpuBackend } from "../../support/cpu-backend.ts";
import { asReference, largestDifference } from "../../support/reference-network/compare.ts";
import { referenceLogits } from "../../support/reference-network/networks.ts";
import { randomSamples, randomWeights, TINY_ARCHITECTURES } from "../../support/tiny-architectures.ts";

function randomPermutations(groups: Readonly<Record<string, number>>, seed: bigint): Map<string, Uint32Array> {
  const random = new RandomStream(seed, "permutations");
  return new Map(
    Object.entries(groups).map(([group, size]) => [
      group,
      random.shuffle(Uint32Array.from({ length: size }, (_, i) => i)),
    ]),
  );
}

function inverse(permutation: Uint32Array): Uint32Array {
  const inverted = new Uint32Array(permutation.length);
  for (const [place, old] of permutation.entries()) inverted[old] = place;
  return inverted;
}

const specsOf = (architecture: Architecture) => {
  const model = buildModel(architecture);
  const specs = weightSpecs(model).map(({ name, shape }) => ({ name, shape }));
  model.dispose();
  return specs;
};

describe("a permutation specification", () => {
  beforeAll(useCpuBackend);

  it.each(TINY_ARCHITECTURES)("of %s has every weight and every axis of it", (_, architecture) => {
    const spec = permutationSpec(architecture);
    const specs = specsOf(architecture);
    expect(Object.keys(spec.weights).sort()).toEqual(specs.map(({ name }) => name).sort());
    for (const { name, shape } of specs) {
      const axes = spec.weights[name] ?? [];
      expect(axes.length, name).toBe(shape.length);
      for (const [index, axis] of axes.entries()) {
        if (axis === null) continue;
        const units = axis.groups.reduce((sum, group) => sum + (spec.groups[group] ?? Number.NaN), 0);
        expect(axis.outer * units * axis.inner, `${name}, axis ${index}`).toBe(shape[index]);
      }
    }
    // It is data: JSON carries it.
    expect(JSON.parse(JSON.stringify(spec))).toEqual(spec);
  });

  it.each(TINY_ARCHITECTURES)("of %s names permutations that change nothing", (name, architecture) => {
    const spec = permutationSpec(architecture);
    const specs = specsOf(architecture);
    const samples = randomSamples(architecture, 2, 2n);
    const input = { shape: [2, ...sampleShapeOf(architecture)], data: Float64Array.from(samples) };
    const hasGroups = Object.values(spec.groups).some((size) => size > 1);
    expect(hasGroups).toBe(name !== "mlp without hidden layers");
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (seed) => {
        const weights = randomWeights(specs, seed);
        const permutations = randomPermutations(spec.groups, seed);
        const permuted = permuteWeights(spec, weights, permutations);
        const logits = referenceLogits(architecture, asReference(weights), input).data;
        const after = referenceLogits(architecture, asReference(permuted), input).data;
        expect(largestDifference(after, logits)).toBeLessThan(1e-5);
        const back: Permutations = new Map(Array.from(permutations, ([group, places]) => [group, inverse(places)]));
        expect(permuteWeights(spec, permuted, back)).toEqual(weights);
      }),
      { numRuns: 5 },
    );
  });

  it.each(TINY_ARCHITECTURES)("of %s moves the weights of each group by itself", (_, architecture) => {
    const spec = permutationSpec(architecture);
    const weights = randomWeights(specsOf(architecture), 1n);
    const samples = randomSamples(architecture, 2, 2n);
    const input = { shape: [2, ...sampleShapeOf(architecture)], data: Float64Array.from(samples) };
    const logits = referenceLogits(architecture, asReference(weights), input).data;
    for (const [group, size] of Object.entries(spec.groups)) {
      if (size < 2) continue;
      const turned = Uint32Array.from({ length: size }, (_unit, place) => (place + 1) % size);
      const permuted = permuteWeights(spec, weights, new Map([[group, turned]]));
      const moved = [...weights].filter(([name, { values }]) => {
        const after = permuted.get(name)?.values ?? [];
        return values.some((value, index) => value !== after[index]);
      });
      expect(moved.length, group).toBeGreaterThan(1);
      expect(largestDifference(referenceLogits(architecture, asReference(permuted), input).data, logits)).toBeLessThan(
        1e-5,
      );
    }
  });

  it("is refused with permutations and weights that do not fit", () => {
    const architecture: Architecture = { architecture: "mlp", input: [3], hidden: [4], classes: 2 };
    const spec = permutationSpec(architecture);
    const weights = randomWeights(specsOf(architecture), 1n);
    const short = new Map([["hidden_0", Uint32Array.of(1, 0)]]);
    expect(() => permuteWeights(spec, weights, short)).toThrow(/hidden_0 has 2 units, the group 4/);
    const other = randomWeights([{ name: "hidden_9/kernel", shape: [3, 4] }], 1n);
    expect(() => permuteWeights(spec, other, new Map())).toThrow(/hidden_9\/kernel/);
    const wide = randomWeights([{ name: "hidden_0/bias", shape: [5] }], 1n);
    expect(() => permuteWeights(spec, wide, new Map())).toThrow(/has 4 entries/);
  });
});
