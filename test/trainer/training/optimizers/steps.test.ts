import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { OptimizerSpec } from "../../../../trainer/training/regime.ts";
import { anySpec, bits, FORMS, type OptimizerForm } from "./forms.ts";
import { optimizeReference } from "./reference.ts";

/** By `test/support/generate-optimizer-goldens.py`. */
interface Golden {
  readonly rate: number;
  readonly kept: readonly number[];
  readonly start: readonly number[][];
  readonly gradients: readonly number[][][];
  readonly runs: readonly { readonly spec: OptimizerSpec; readonly clipNorm: number | null; weights: number[][][] }[];
}

const golden = JSON.parse(readFileSync(new URL("torch-golden.json", import.meta.url), "utf8")) as Golden;

/** Smooth, reproducible numbers in [-1, 1], exact in float32. */
function element(seed: number, step: number, parameter: number, index: number): number {
  return Math.fround(Math.sin(seed + 31 * step + 7 * parameter + index));
}

interface Problem {
  readonly sizes: readonly number[];
  readonly seed: number;
  readonly rates: readonly number[];
  readonly masked: boolean;
}

const anyProblem: fc.Arbitrary<Problem> = fc.record({
  sizes: fc.array(fc.integer({ min: 1, max: 67 }), { minLength: 1, maxLength: 3 }),
  seed: fc.integer({ min: 0, max: 1_000_000 }),
  rates: fc.array(fc.double({ min: 0, max: 0.5, noNaN: true }), { minLength: 1, maxLength: 4 }),
  masked: fc.boolean(),
});

function entries({ sizes, seed, masked, rates }: Problem) {
  const fill = (step: number) =>
    sizes.map((size, p) => Array.from({ length: size }, (_, index) => element(seed, step, p, index)));
  const frozen = fill(-1).map((values) => values.map((value) => Number(masked && value > 0.2)));
  return { start: fill(-2), frozen, gradients: rates.map((_, step) => fill(step)) };
}

/** The weights after every step. */
function optimize(
  { create }: OptimizerForm,
  spec: OptimizerSpec,
  start: readonly (readonly number[])[],
  frozen: readonly (readonly number[] | undefined)[],
  gradients: readonly (readonly (readonly number[])[])[],
  rates: readonly number[],
  clipNorm?: number,
): Float32Array[][] {
  const variables = start.map((values) => tf.variable(tf.tensor1d([...values])));
  const parameters = variables.map((variable, p) => {
    const mask = frozen[p];
    return { name: `p${p}`, variable, frozen: mask === undefined ? undefined : Uint8Array.from(mask) };
  });
  const optimizer = create(spec, parameters, clipNorm);
  const weights = rates.map((rate, step) => {
    const tensors = (gradients[step] ?? []).map((values) => tf.tensor1d([...values]));
    optimizer.step(new Map(tensors.map((tensor, p) => [`p${p}`, tensor])), rate);
    tf.dispose(tensors);
    return variables.map((variable) => Float32Array.from(variable.dataSync()));
  });
  optimizer.dispose();
  tf.dispose(variables);
  return weights;
}

function expectClose(actual: Float32Array | undefined, expected: readonly number[], tolerance: number): void {
  expect(actual?.length).toBe(expected.length);
  expected.forEach((value, index) => expect(Math.abs((actual?.[index] ?? Number.NaN) - value)).toBeLessThan(tolerance));
}

describe.each(FORMS)("a step by $form", (form) => {
  beforeAll(form.start);

  it("is the reference's in float64, for any optimizer, mask and clipping norm", () => {
    fc.assert(
      fc.property(
        anySpec,
        anyProblem,
        fc.option(fc.constantFrom(0.1, 1, 1000), { nil: undefined }),
        (spec, problem, clipNorm) => {
          const { start, frozen, gradients } = entries(problem);
          const weights = optimize(form, spec, start, frozen, gradients, problem.rates, clipNorm).at(-1);
          const expected = start.map((values, p) => ({ weights: [...values], frozen: frozen[p] ?? [] }));
          optimizeReference(spec, expected, gradients, problem.rates, clipNorm);
          expected.forEach((parameter, p) => expectClose(weights?.[p], parameter.weights, 1e-5));
        },
      ),
      { numRuns: 150 },
    );
  });

  it.each(golden.runs)("is PyTorch's: $spec, clipped to $clipNorm", ({ spec, clipNorm, weights }) => {
    const rates = golden.gradients.map(() => golden.rate);
    const all = optimize(form, spec, golden.start, [], golden.gradients, rates, clipNorm ?? undefined);
    golden.kept.forEach((step, index) =>
      // Six steps in float32 on either side.
      weights[index]?.forEach((values, p) => expectClose(all[step - 1]?.[p], values, 1e-6)),
    );
  });

  it("of SGD is rounded as float32, operation by operation", () => {
    const round = Math.fround;
    fc.assert(
      fc.property(
        anyProblem,
        fc.constantFrom(0, 0.5, 0.9),
        fc.boolean(),
        fc.constantFrom(0, 0.1),
        (problem, momentum, lookAhead, weightDecay) => {
          const nesterov = lookAhead && momentum > 0;
          const { start, frozen, gradients } = entries(problem);
          const spec = { name: "sgd", momentum, nesterov, weightDecay } as const;
          const actual = optimize(form, spec, start, frozen, gradients, problem.rates).at(-1);
          const [share, decay] = [round(momentum), round(weightDecay)];
          start.forEach((values, p) => {
            const weights = Float32Array.from(values);
            const velocity = new Float32Array(values.length);
            problem.rates.forEach((rate, step) => {
              for (const i of weights.keys()) {
                if (frozen[p]?.[i] === 1) continue;
                const [w, v] = [weights[i] ?? 0, velocity[i] ?? 0];
                let d = gradients[step]?.[p]?.[i] ?? 0;
                if (decay !== 0) d = round(d + round(decay * w));
                velocity[i] = round(round(share * v) + d);
                if (momentum > 0) d = nesterov ? round(d + round(share * (velocity[i] ?? 0))) : (velocity[i] ?? 0);
                weights[i] = round(w - round(round(rate) * d));
              }
            });
            expect(bits(actual?.[p] ?? new Float32Array())).toEqual(bits(weights));
          });
        },
      ),
      { numRuns: 100 },
    );
  });
});

it("by fused kernels and by tfjs ops has the same bits, but for clipping", async () => {
  const [fused, ops] = FORMS;
  if (fused === undefined || ops === undefined) throw new Error("there are two forms");
  await fc.assert(
    fc.asyncProperty(anySpec, anyProblem, async (spec, problem) => {
      const { start, frozen, gradients } = entries(problem);
      const all: number[][][] = [];
      for (const form of [fused, ops]) {
        await form.start();
        all.push((optimize(form, spec, start, frozen, gradients, problem.rates).at(-1) ?? []).map(bits));
      }
      expect(all[0]).toEqual(all[1]);
    }),
    { numRuns: 100 },
  );
});
