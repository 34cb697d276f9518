import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { startWasmBackend } from "../../../../trainer/backend/wasm.ts";
import type { MaskedOptimizer, MaskedParameter } from "../../../../trainer/training/masked-optimizer.ts";
import { createTensorOptimizer } from "../../../../trainer/training/optimizers/tensor-optimizer.ts";
import { createWasmOptimizer } from "../../../../trainer/training/optimizers/wasm-optimizer.ts";
import type { OptimizerSpec } from "../../../../trainer/training/regime.ts";

/** The two forms of an optimizer: fused kernels on the WASM heap, and tfjs ops, here on tfjs's plain CPU backend. */
export interface OptimizerForm {
  readonly form: "fused kernels" | "tfjs ops";
  /** Makes its backend tfjs's current one. */
  start(): Promise<void>;
  create(spec: OptimizerSpec, parameters: readonly MaskedParameter[], clipNorm?: number): MaskedOptimizer;
}

let create: OptimizerForm["create"] | undefined;

export const FORMS: readonly OptimizerForm[] = [
  {
    form: "fused kernels",
    async start() {
      const backend = await startWasmBackend();
      await tf.setBackend("wasm");
      create = (spec, parameters, clipNorm) => createWasmOptimizer(backend, spec, parameters, clipNorm);
    },
    create(spec, parameters, clipNorm) {
      if (create === undefined) throw new Error("the backend is not started");
      return create(spec, parameters, clipNorm);
    },
  },
  {
    form: "tfjs ops",
    async start() {
      await import("@tensorflow/tfjs-backend-cpu");
      await tf.setBackend("cpu");
    },
    create: createTensorOptimizer,
  },
];

/** One spec of every kind, with decay. */
export const SPECS: readonly OptimizerSpec[] = [
  { name: "sgd", momentum: 0, nesterov: false, weightDecay: 0.1 },
  { name: "sgd", momentum: 0.9, nesterov: false, weightDecay: 0.1 },
  { name: "sgd", momentum: 0.9, nesterov: true, weightDecay: 0.1 },
  { name: "adam", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 },
  { name: "adamw", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 },
];

/** Any optimizer, with and without decay. */
export const anySpec: fc.Arbitrary<OptimizerSpec> = fc.oneof(
  fc.record({
    name: fc.constant("sgd" as const),
    momentum: fc.constant(0),
    nesterov: fc.constant(false),
    weightDecay: fc.constantFrom(0, 0.1),
  }),
  fc.record({
    name: fc.constant("sgd" as const),
    momentum: fc.constantFrom(0.5, 0.9),
    nesterov: fc.boolean(),
    weightDecay: fc.constantFrom(0, 0.1),
  }),
  fc.record({
    name: fc.constantFrom("adam" as const, "adamw" as const),
    beta1: fc.constantFrom(0, 0.9),
    beta2: fc.constantFrom(0.9, 0.999),
    epsilon: fc.constantFrom(1e-8, 1e-3),
    weightDecay: fc.constantFrom(0, 0.1),
  }),
);

/** What a spec is called in a test's name. */
export function nameOf(spec: OptimizerSpec): string {
  const { name, ...rest } = spec;
  return `${name} ${Object.values(rest).join(" ")}`;
}

/** Bits of float32 values; equal numbers can have different bits (zeros, NaN). */
export function bits(values: Float32Array): number[] {
  return [...new Uint32Array(values.slice().buffer)];
}
