import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { startWasmBackend } from "../../../../trainer/backend/wasm.ts";
import type { MaskedOptimizer } from "../../../../trainer/training/masked-optimizer.ts";
import type { OptimizerSpec } from "../../../../trainer/training/regime.ts";
import { anySpec, bits, FORMS, nameOf, SPECS } from "./forms.ts";

const MOMENTUM: OptimizerSpec = { name: "sgd", momentum: 0.9, nesterov: false, weightDecay: 0 };
const ADAM: OptimizerSpec = { name: "adam", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/** The bits of any float32, NaN with payloads and signalling NaN included. */
const anyBits = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff, 0x80000000, 0, 1),
);
const isNan = (pattern: number) => (pattern & 0x7fffffff) > 0x7f800000;

function fromBits(values: readonly number[]): Float32Array<ArrayBuffer> {
  return new Float32Array(Uint32Array.from(values).buffer);
}

function stepOn(optimizer: MaskedOptimizer, values: Float32Array, rate = 0.1): void {
  const gradient = tf.tensor1d(values);
  optimizer.step(new Map([["w", gradient]]), rate);
  gradient.dispose();
}

async function slotsOf(optimizer: MaskedOptimizer): Promise<Float32Array[]> {
  return [...(await optimizer.state()).slots.values()];
}

describe.each(FORMS)("an optimizer by $form", ({ form, start, create }) => {
  beforeAll(start);

  it("never moves a frozen bit, whatever the bits of weights and gradients, decay and clipping", async () => {
    await fc.assert(
      fc.asyncProperty(
        anySpec,
        fc.array(fc.tuple(anyBits, anyBits, anyBits, fc.boolean()), { minLength: 1, maxLength: 70 }),
        fc.option(fc.constant(1), { nil: undefined }),
        async (spec, entries, clipNorm) => {
          // JavaScript keeps a NaN but not its payload, so tfjs's plain CPU backend cannot either.
          const first = entries.map(([weight]) => (form === "tfjs ops" && isNan(weight) ? 1 : weight));
          const frozen = Uint8Array.from(entries, (entry) => Number(entry[3]));
          const variable = tf.variable(tf.tensor1d(fromBits(first)));
          const optimizer = create(spec, [{ name: "w", variable, frozen }], clipNorm);
          const gradients = [1, 2, 1].map((at) => fromBits(entries.map((entry) => entry[at] as number)));
          for (const gradient of gradients) stepOn(optimizer, gradient);
          const end = bits(variable.dataSync<"float32">());
          const slots = (await slotsOf(optimizer)).map(bits);
          frozen.forEach((isFrozen, index) => {
            if (isFrozen === 0) return;
            expect(end[index]).toBe(first[index]);
            for (const slot of slots) expect(slot[index]).toBe(0);
          });
          optimizer.dispose();
          variable.dispose();
        },
      ),
      { numRuns: 200 },
    );
  });

  it.each(SPECS.map((spec) => [nameOf(spec), spec] as const))("is not moved by what it drops: %s", async (_, spec) => {
    // Frozen entries have gradients of 1e30, NaN and infinity; the others move as if those were 0.
    const frozen = Uint8Array.from({ length: 20 }, (_unused, index) => Number(index % 3 === 0));
    const run = (dropped: readonly number[]) => {
      const variable = tf.variable(tf.linspace(-1, 1, 20));
      const optimizer = create(spec, [{ name: "w", variable, frozen }], 0.5);
      for (let step = 0; step < 3; step++) {
        stepOn(
          optimizer,
          Float32Array.from(frozen, (one, i) => (one ? (dropped[i % dropped.length] ?? 0) : Math.sin(i + step))),
        );
      }
      const values = bits(variable.dataSync<"float32">());
      optimizer.dispose();
      variable.dispose();
      return values;
    };
    expect(run([1e30, Number.NaN, -Infinity, Infinity])).toEqual(run([0]));
  });

  it("passes a NaN on to what trains, as PyTorch does", () => {
    const variable = tf.variable(tf.tensor1d([1, 1, 1]));
    const optimizer = create(MOMENTUM, [{ name: "w", variable, frozen: Uint8Array.of(0, 1, 0) }], 1);
    stepOn(optimizer, Float32Array.of(Number.NaN, 0, 1));
    expect([...variable.dataSync()]).toEqual([Number.NaN, 1, Number.NaN]);
    optimizer.dispose();
    variable.dispose();
  });

  it("leaves a clone of the variable as it was", () => {
    const variable = tf.variable(tf.tensor1d([1, 2]));
    const snapshot = tf.reshape(variable, [2, 1]);
    const optimizer = create({ ...MOMENTUM, momentum: 0 } as OptimizerSpec, [
      { name: "w", variable, frozen: undefined },
    ]);
    stepOn(optimizer, Float32Array.of(1, 1), 1);
    expect([...snapshot.dataSync()]).toEqual([1, 2]);
    expect([...variable.dataSync()]).toEqual([0, 1]);
    optimizer.dispose();
    tf.dispose([variable, snapshot]);
  });

  it.each(SPECS.map((spec) => [nameOf(spec), spec] as const))("leaks no tensors: %s", async (_, spec) => {
    const variable = tf.variable(tf.zeros([10]));
    const before = tf.memory().numTensors;
    const optimizer = create(spec, [{ name: "w", variable, frozen: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0) }], 1);
    stepOn(optimizer, new Float32Array(10).fill(1));
    const during = tf.memory().numTensors;
    for (let i = 0; i < 5; i++) stepOn(optimizer, new Float32Array(10).fill(1));
    optimizer.restore(await optimizer.state());
    expect(tf.memory().numTensors).toBe(during);
    optimizer.dispose();
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(before);
    variable.dispose();
  });

  it.each(SPECS.map((spec) => [nameOf(spec), spec] as const))(
    "saved and restored, continues bit for bit: %s",
    async (_, spec) => {
      const size = 37;
      const gradients = Array.from({ length: 8 }, (_unused, step) =>
        Float32Array.from({ length: size }, (_also, index) => Math.cos(step * 7 + index)),
      );
      const frozen = Uint8Array.from({ length: size }, (_unused, index) => Number(index % 3 === 0));
      const make = (weights: Float32Array) => {
        const variable = tf.variable(tf.tensor1d(weights));
        return { variable, optimizer: create(spec, [{ name: "w", variable, frozen }], 2) };
      };
      const whole = make(new Float32Array(size).fill(0.5));
      const half = make(new Float32Array(size).fill(0.5));
      gradients.forEach((gradient) => stepOn(whole.optimizer, gradient, 0.03));
      gradients.slice(0, 4).forEach((gradient) => stepOn(half.optimizer, gradient, 0.03));
      const saving = half.optimizer.state();
      const resumed = make(Float32Array.from(half.variable.dataSync()));
      // What was asked for is what stood then, whatever comes while it is read.
      stepOn(half.optimizer, new Float32Array(size).fill(9));
      const saved = await saving;
      expect(saved.step).toBe(4);
      resumed.optimizer.restore(saved);
      gradients.slice(4).forEach((gradient) => stepOn(resumed.optimizer, gradient, 0.03));
      expect(bits(resumed.variable.dataSync<"float32">())).toEqual(bits(whole.variable.dataSync<"float32">()));
      expect(await resumed.optimizer.state()).toEqual(await whole.optimizer.state());
      for (const { variable, optimizer } of [whole, half, resumed]) {
        variable.dispose();
        optimizer.dispose();
      }
    },
  );

  it("drops what entries had that are frozen since, so they stay", async () => {
    for (const spec of SPECS) {
      const variable = tf.variable(tf.linspace(1, 2, 9));
      const before = create(spec, [{ name: "w", variable, frozen: undefined }]);
      for (let i = 0; i < 3; i++) stepOn(before, new Float32Array(9).fill(1));
      const values = Float32Array.from(variable.dataSync());
      const after = create(spec, [{ name: "w", variable, frozen: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 1) }]);
      after.restore(await before.state());
      for (const slot of await slotsOf(after)) {
        expect([slot[0], slot[8]]).toEqual([0, 0]);
        expect(slot[4]).not.toBe(0);
      }
      for (let i = 0; i < 3; i++) stepOn(after, new Float32Array(9).fill(1));
      const end = variable.dataSync();
      expect([end[0], end[8]]).toEqual([values[0], values[8]]);
      expect(end[4]).not.toBe(values[4]);
      before.dispose();
      after.dispose();
      variable.dispose();
    }
  });

  describe("refuses", () => {
    /** A variable of two entries and what makes an optimizer for it. */
    function two(frozen?: Uint8Array, spec: OptimizerSpec = MOMENTUM, clipNorm?: number) {
      const variable = tf.variable(tf.zeros([2]));
      return { variable, make: () => create(spec, [{ name: "w", variable, frozen }], clipNorm) };
    }

    it.each<[string, object]>([
      ["momentum -0.1 is not in [0, 1)", { momentum: -0.1 }],
      ["momentum 1 is not in [0, 1)", { momentum: 1 }],
      ["momentum NaN is not in [0, 1)", { momentum: Number.NaN }],
      ["Nesterov needs momentum", { momentum: 0, nesterov: true }],
      ["weight decay -1 is negative", { weightDecay: -1 }],
      ["weight decay NaN is negative or no number", { weightDecay: Number.NaN }],
      ["beta 1 is not in [0, 1)", { ...ADAM, beta1: 1 }],
      ["beta -1 is not in [0, 1)", { ...ADAM, beta2: -1 }],
      ["epsilon NaN is negative or no number", { ...ADAM, epsilon: Number.NaN }],
    ])("%s", (message, spec) => {
      expect(two(undefined, { ...MOMENTUM, ...spec } as OptimizerSpec).make).toThrow(message);
    });

    it("a mask of another size, a name twice, a clipping norm that is none", () => {
      expect(two(new Uint8Array(3)).make).toThrow("the mask of w has 3 entries, the tensor 2");
      for (const norm of [0, -1, Number.NaN]) {
        expect(two(undefined, MOMENTUM, norm).make).toThrow(`clipping norm ${norm}`);
      }
      const parameter = { name: "w", variable: two().variable, frozen: undefined };
      expect(() => create(MOMENTUM, [parameter, parameter])).toThrow("two parameters are named w");
    });

    it("gradients, rates and states that do not fit, and then changes nothing", async () => {
      const { variable, make } = two();
      const optimizer = make();
      const gradients = new Map<string, tf.Tensor>([["w", tf.ones([2])]]);
      expect(() => optimizer.step(new Map(), 1)).toThrow("w has no gradient");
      expect(() => optimizer.step(new Map([["w", tf.ones([3])]]), 1)).toThrow("the gradient of w is float32[3]");
      expect(() => optimizer.step(new Map([["w", tf.ones([2], "int32")]]), 1)).toThrow("the gradient of w is int32[2]");
      expect(() => optimizer.step(gradients, Number.NaN)).toThrow("learning rate NaN");
      const slots = new Map([["velocity/w", new Float32Array(2).fill(1)]]);
      expect(() => optimizer.restore({ step: 1, slots: new Map() })).toThrow("the saved velocity of w has no entries");
      expect(() => optimizer.restore({ step: -1, slots })).toThrow("the saved state is of step -1");
      expect(() => optimizer.restore({ step: 1, slots: new Map([...slots, ["x/w", new Float32Array(2)]]) })).toThrow(
        "the saved state has x/w, which this optimizer does not keep",
      );
      expect([...variable.dataSync()]).toEqual([0, 0]);
      expect(await optimizer.state()).toEqual({ step: 0, slots: new Map([["velocity/w", new Float32Array(2)]]) });
      optimizer.dispose();
      expect(() => optimizer.step(gradients, 1)).toThrow("the optimizer is disposed");
    });
  });
});

it("on the heap survives the heap's growth", async () => {
  const { kernels, createOptimizer } = await startWasmBackend();
  await tf.setBackend("wasm");
  const variable = tf.variable(tf.zeros([4]));
  const optimizer = createOptimizer({ ...MOMENTUM, momentum: 0.5 } as OptimizerSpec, [
    { name: "w", variable, frozen: undefined },
  ]);
  stepOn(optimizer, new Float32Array(4).fill(1), 1);
  const before = kernels.heap.memory.buffer.byteLength;
  const large = tf.zeros([Math.ceil(before / 2)]);
  expect(kernels.heap.memory.buffer.byteLength).toBeGreaterThan(before);
  stepOn(optimizer, new Float32Array(4).fill(1), 1);
  expect(await slotsOf(optimizer)).toEqual([new Float32Array(4).fill(1.5)]);
  expect([...variable.dataSync()]).toEqual([-2.5, -2.5, -2.5, -2.5]);
  optimizer.dispose();
  tf.dispose([variable, large]);
});
