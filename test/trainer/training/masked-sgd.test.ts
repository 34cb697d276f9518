import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { startWasmBackend, type TrainingBackend } from "../../../trainer/backend/wasm.ts";
import { MaskedSgd } from "../../../trainer/training/masked-sgd.ts";

let backend: TrainingBackend;
beforeAll(async () => {
  backend = await startWasmBackend();
});

/** Bits of float32 values; equal numbers can have different bits (zeros, NaN). */
function bits(values: Float32Array): number[] {
  return [...new Uint32Array(values.slice().buffer)];
}

/** The bits of any float32, NaN with payloads and signalling NaN included. */
const anyBits = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff, 0x80000000, 0, 1),
);

function fromBits(values: readonly number[]): Float32Array<ArrayBuffer> {
  return new Float32Array(Uint32Array.from(values).buffer);
}

const round = Math.fround;

describe("a step", () => {
  it("is torch.optim.SGD with momentum, rounded as float32", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 67 }),
        fc.constantFrom(0, 0.5, 0.9),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 4 }),
        fc.integer(),
        (size, momentum, rates, seed) => {
          const element = (step: number, index: number) => round(Math.sin(seed + 31 * step + index));
          const frozen = Uint8Array.from({ length: size }, (_, index) => Number(element(-1, index) > 0.2));
          const start = Float32Array.from({ length: size }, (_, index) => element(-2, index));
          const variable = tf.variable(tf.tensor1d(start));
          const optimizer = new MaskedSgd(backend, [{ name: "w", variable, frozen }], { momentum });
          const weights = start.slice();
          const velocity = new Float32Array(size);
          const m = round(momentum);
          rates.forEach((rate, step) => {
            const gradient = Float32Array.from({ length: size }, (_, index) => element(step, index));
            for (let i = 0; i < size; i++) {
              if (frozen[i] === 1) continue;
              velocity[i] = round(round(m * (velocity[i] ?? 0)) + (gradient[i] ?? 0));
              weights[i] = round((weights[i] ?? 0) - round(round(rate) * (velocity[i] ?? 0)));
            }
            const tensor = tf.tensor1d(gradient);
            optimizer.step(new Map([["w", tensor]]), rate);
            tensor.dispose();
          });
          expect(bits(variable.dataSync<"float32">())).toEqual(bits(weights));
          expect(bits(optimizer.velocities().get("w") ?? new Float32Array())).toEqual(bits(velocity));
          optimizer.dispose();
          variable.dispose();
        },
      ),
      { numRuns: 200 },
    );
  });

  it("never moves a frozen bit, whatever the bits of weights and gradients", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyBits, anyBits, anyBits, fc.boolean()), { minLength: 1, maxLength: 70 }),
        fc.constantFrom(0, 0.9),
        (entries, momentum) => {
          const start = entries.map(([weight]) => weight);
          const frozen = Uint8Array.from(entries, (entry) => Number(entry[3]));
          const variable = tf.variable(tf.tensor1d(fromBits(start)));
          const optimizer = new MaskedSgd(backend, [{ name: "w", variable, frozen }], { momentum });
          const first = tf.tensor1d(fromBits(entries.map((entry) => entry[1])));
          const second = tf.tensor1d(fromBits(entries.map((entry) => entry[2])));
          for (const gradient of [first, second, first]) optimizer.step(new Map([["w", gradient]]), 0.1);
          const end = bits(variable.dataSync<"float32">());
          const velocity = bits(optimizer.velocities().get("w") ?? new Float32Array());
          frozen.forEach((isFrozen, index) => {
            if (isFrozen === 0) return;
            expect(end[index]).toBe(start[index]);
            expect(velocity[index]).toBe(0);
          });
          optimizer.dispose();
          tf.dispose([variable, first, second]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("leaves a clone of the variable as it was", () => {
    const variable = tf.variable(tf.tensor1d([1, 2]));
    const snapshot = tf.reshape(variable, [2, 1]);
    const gradient = tf.tensor1d([1, 1]);
    const optimizer = new MaskedSgd(backend, [{ name: "w", variable, frozen: undefined }], { momentum: 0 });
    optimizer.step(new Map([["w", gradient]]), 1);
    expect([...snapshot.dataSync()]).toEqual([1, 2]);
    expect([...variable.dataSync()]).toEqual([0, 1]);
    optimizer.dispose();
    tf.dispose([variable, snapshot, gradient]);
  });

  it("makes no tensors", () => {
    const variable = tf.variable(tf.zeros([10, 10]));
    const gradient = tf.ones([10, 10]);
    const optimizer = new MaskedSgd(backend, [{ name: "w", variable, frozen: new Uint8Array(100) }], { momentum: 0.9 });
    const before = tf.memory().numTensors;
    for (let i = 0; i < 20; i++) optimizer.step(new Map([["w", gradient]]), 0.1);
    optimizer.restore(optimizer.velocities());
    expect(tf.memory().numTensors).toBe(before);
    optimizer.dispose();
    tf.dispose([variable, gradient]);
  });
});

describe("velocities", () => {
  it("saved and restored, continue bit for bit", () => {
    const size = 37;
    const gradients = Array.from({ length: 8 }, (_, step) =>
      tf.tensor1d(Float32Array.from({ length: size }, (_unused, index) => Math.cos(step * 7 + index))),
    );
    const frozen = Uint8Array.from({ length: size }, (_, index) => Number(index % 3 === 0));
    const make = (weights: Float32Array) => {
      const variable = tf.variable(tf.tensor1d(weights));
      return { variable, optimizer: new MaskedSgd(backend, [{ name: "w", variable, frozen }], { momentum: 0.9 }) };
    };
    const whole = make(new Float32Array(size).fill(0.5));
    const half = make(new Float32Array(size).fill(0.5));
    gradients.forEach((gradient) => whole.optimizer.step(new Map([["w", gradient]]), 0.03));
    gradients.slice(0, 4).forEach((gradient) => half.optimizer.step(new Map([["w", gradient]]), 0.03));
    const resumed = make(half.variable.dataSync<"float32">());
    resumed.optimizer.restore(half.optimizer.velocities());
    gradients.slice(4).forEach((gradient) => resumed.optimizer.step(new Map([["w", gradient]]), 0.03));
    expect(bits(resumed.variable.dataSync<"float32">())).toEqual(bits(whole.variable.dataSync<"float32">()));
    expect(resumed.optimizer.velocities()).toEqual(whole.optimizer.velocities());
    for (const { variable, optimizer } of [whole, half, resumed]) {
      variable.dispose();
      optimizer.dispose();
    }
    tf.dispose(gradients);
  });

  it("of entries frozen since are dropped", () => {
    const variable = tf.variable(tf.zeros([9]));
    const frozen = Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 0, 1]);
    const optimizer = new MaskedSgd(backend, [{ name: "w", variable, frozen }], { momentum: 0.9 });
    optimizer.restore(new Map([["w", new Float32Array(9).fill(5)]]));
    expect([...(optimizer.velocities().get("w") ?? [])]).toEqual([0, 5, 5, 5, 5, 5, 5, 5, 0]);
    optimizer.dispose();
    variable.dispose();
  });

  it("survive growth of the heap", () => {
    const variable = tf.variable(tf.zeros([4]));
    const gradient = tf.ones([4]);
    const optimizer = new MaskedSgd(backend, [{ name: "w", variable, frozen: undefined }], { momentum: 0.5 });
    optimizer.step(new Map([["w", gradient]]), 1);
    const before = backend.kernels.heap.memory.buffer.byteLength;
    const large = tf.zeros([Math.ceil(before / 2)]);
    expect(backend.kernels.heap.memory.buffer.byteLength).toBeGreaterThan(before);
    optimizer.step(new Map([["w", gradient]]), 1);
    expect([...(optimizer.velocities().get("w") ?? [])]).toEqual([1.5, 1.5, 1.5, 1.5]);
    expect([...variable.dataSync()]).toEqual([-2.5, -2.5, -2.5, -2.5]);
    optimizer.dispose();
    tf.dispose([variable, gradient, large]);
  });
});

/** A variable of two entries and what makes an optimizer for it. */
function two(frozen: Uint8Array | undefined, momentum = 0.9) {
  const variable = tf.variable(tf.zeros([2]));
  return { variable, make: () => new MaskedSgd(backend, [{ name: "w", variable, frozen }], { momentum }) };
}

describe("bad arguments", () => {
  it.each([-0.1, 1, Number.NaN])("momentum %s", (momentum) => {
    expect(two(undefined, momentum).make).toThrow("is not in [0, 1)");
  });

  it("a mask of another size", () => {
    expect(two(new Uint8Array(3)).make).toThrow("the mask of w has 3 entries, the tensor 2");
  });

  it("two parameters of one name", () => {
    const { variable } = two(undefined);
    const parameter = { name: "w", variable, frozen: undefined };
    expect(() => new MaskedSgd(backend, [parameter, parameter], { momentum: 0 })).toThrow("two parameters are named w");
  });

  it("gradients, velocities and rates that do not fit", () => {
    const { variable, make } = two(undefined);
    const optimizer = make();
    const gradients = new Map<string, tf.Tensor>([["w", tf.ones([2])]]);
    expect(() => optimizer.step(new Map(), 1)).toThrow("w has no gradient");
    expect(() => optimizer.step(new Map([["w", tf.ones([3])]]), 1)).toThrow("the gradient of w is float32[3]");
    expect(() => optimizer.step(new Map([["w", tf.ones([2], "int32")]]), 1)).toThrow("the gradient of w is int32[2]");
    expect(() => optimizer.step(gradients, Number.NaN)).toThrow("learning rate NaN");
    expect(() => optimizer.restore(new Map())).toThrow("the saved velocity of w has no entries");
    expect([...variable.dataSync()]).toEqual([0, 0]);
    optimizer.dispose();
    optimizer.dispose();
    expect(() => optimizer.step(gradients, 1)).toThrow("the optimizer is disposed");
  });
});
