import type * as tf from "@tensorflow/tfjs-core";
import type { WasmTrainingBackend } from "../../backend/training-backend.ts";
import type { MaskedOptimizer, MaskedParameter, OptimizerState } from "../masked-optimizer.ts";
import type { OptimizerSpec } from "../regime.ts";
import { CLIP_MARGIN, checkParameters, checkRate, checkState, gradientOf, slotName } from "./checks.ts";
import { ruleOf } from "./registry.ts";
import type { OptimizerRule } from "./rule.ts";

/** The heap that weights, gradients and what the optimizer remembers live on. */
export type OptimizerHeap = Pick<WasmTrainingBackend, "kernels" | "addressOf" | "addressForWriting">;

/** What the optimizer keeps on the heap for one parameter. */
interface Held {
  readonly name: string;
  readonly variable: tf.Variable;
  readonly size: number;
  /** Addresses, in the rule's order. */
  readonly slots: readonly number[];
  /** Address of the bit mask, or 0. */
  readonly mask: number;
}

/**
 * An optimizer whose slots and masks live on the WASM backend's heap; a step is one kernel call a parameter, two with
 * clipping. `createWasmOptimizer` makes it.
 */
export class WasmOptimizer implements MaskedOptimizer {
  readonly #backend: OptimizerHeap;
  readonly #rule: OptimizerRule;
  readonly #clipNorm: number | undefined;
  readonly #held: readonly Held[];
  #step = 0;
  #disposed = false;

  constructor(
    backend: OptimizerHeap,
    rule: OptimizerRule,
    parameters: readonly MaskedParameter[],
    clipNorm: number | undefined,
  ) {
    checkParameters(parameters, clipNorm);
    this.#backend = backend;
    this.#rule = rule;
    this.#clipNorm = clipNorm;
    this.#held = parameters.map(({ name, variable, frozen }) => ({
      name,
      variable,
      size: variable.size,
      slots: rule.slots.map(() => allocateZeroed(backend, variable.size * Float32Array.BYTES_PER_ELEMENT)),
      mask: frozen?.some((entry) => entry !== 0) ? allocateBits(backend, frozen) : 0,
    }));
  }

  get parameters(): readonly { readonly name: string; readonly variable: tf.Variable }[] {
    return this.#held;
  }

  step(gradients: ReadonlyMap<string, tf.Tensor>, learningRate: number): void {
    this.#assertLive();
    const addresses = new Map<string, number>();
    for (const { name, size } of this.#held) {
      addresses.set(name, this.#backend.addressOf(gradientOf(gradients, name, size)));
    }
    this.stepAt(addresses, learningRate);
  }

  /**
   * As `step`, for gradients that lie on the heap outside any tensor.
   * @param gradients address of each parameter's gradient: float32, as many elements as the parameter
   */
  stepAt(gradients: ReadonlyMap<string, number>, learningRate: number): void {
    this.#assertLive();
    checkRate(learningRate);
    for (const { name } of this.#held) if (!gradients.has(name)) throw new RangeError(`${name} has no gradient`);
    const { kernels } = this.#backend;
    const scale = this.#clippingScale(gradients);
    const moment = { step: this.#step + 1, learningRate };
    for (const { name, variable, size, slots, mask } of this.#held) {
      const weights = this.#backend.addressForWriting(variable);
      const arrays = { weights, gradient: gradients.get(name) ?? 0, frozen: mask, count: size };
      this.#rule.updateOnHeap(kernels, arrays, slots, moment, scale);
    }
    this.#step += 1;
  }

  /** torch.nn.utils.clip_grad_norm_ over the entries that train: what a mask drops has no say in how far others move. */
  #clippingScale(gradients: ReadonlyMap<string, number>): number {
    if (this.#clipNorm === undefined) return 1;
    let sum = 0;
    for (const { name, mask, size } of this.#held) {
      sum += this.#backend.kernels.squaredNorm(gradients.get(name) ?? 0, mask, size);
    }
    return Math.min(1, this.#clipNorm / (Math.sqrt(sum) + CLIP_MARGIN));
  }

  state(): Promise<OptimizerState> {
    this.#assertLive();
    const slots = new Map<string, Float32Array<ArrayBuffer>>();
    for (const [index, slot] of this.#rule.slots.entries()) {
      for (const held of this.#held) slots.set(slotName(slot, held.name), this.#view(held, index).slice());
    }
    return Promise.resolve({ step: this.#step, slots });
  }

  restore(state: OptimizerState): void {
    this.#assertLive();
    checkState(state, this.#rule, this.#held);
    for (const [index, slot] of this.#rule.slots.entries()) {
      for (const held of this.#held) {
        const view = this.#view(held, index);
        view.set(state.slots.get(slotName(slot, held.name)) ?? []);
        if (held.mask === 0) continue;
        const bits = new Uint8Array(this.#backend.kernels.heap.memory.buffer, held.mask, Math.ceil(held.size / 8));
        for (let i = 0; i < held.size; i++) if (((bits[i >> 3] ?? 0) >> (i & 7)) & 1) view[i] = 0;
      }
    }
    this.#step = state.step;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { heap } = this.#backend.kernels;
    for (const { slots, mask } of this.#held) {
      for (const slot of slots) heap.free(slot);
      if (mask !== 0) heap.free(mask);
    }
  }

  /** Views must be short-lived: growth of the memory detaches them. */
  #view({ slots, size }: Held, index: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#backend.kernels.heap.memory.buffer as ArrayBuffer, slots[index] ?? 0, size);
  }

  #assertLive(): void {
    if (this.#disposed) throw new Error("the optimizer is disposed");
  }
}

/**
 * An optimizer on the WASM heap.
 * @param clipNorm largest L2 norm of all gradients together, over the entries that train; undefined: no clipping
 * @throws RangeError where a number is out of range, a mask has another size than its variable, or a name repeats
 */
export function createWasmOptimizer(
  backend: OptimizerHeap,
  spec: OptimizerSpec,
  parameters: readonly MaskedParameter[],
  clipNorm?: number | undefined,
): WasmOptimizer {
  return new WasmOptimizer(backend, ruleOf(spec), parameters, clipNorm);
}

function allocateZeroed({ kernels: { heap } }: OptimizerHeap, bytes: number): number {
  const address = heap.allocate(bytes);
  new Uint8Array(heap.memory.buffer, address, bytes).fill(0);
  return address;
}

/** One bit an entry instead of one byte: the update is bound by memory traffic, so the mask must add next to none. */
function allocateBits(backend: OptimizerHeap, frozen: Uint8Array): number {
  // The kernels read words of 32 entries.
  const bytes = Math.ceil(frozen.length / 32) * 4;
  const address = allocateZeroed(backend, bytes);
  const bits = new Uint8Array(backend.kernels.heap.memory.buffer, address, bytes);
  frozen.forEach((entry, index) => {
    if (entry !== 0) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
  });
  return address;
}
