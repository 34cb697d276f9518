import * as tf from "@tensorflow/tfjs-core";
import type { MaskedOptimizer, MaskedParameter, OptimizerState } from "../masked-optimizer.ts";
import type { OptimizerSpec } from "../regime.ts";
import { CLIP_MARGIN, checkParameters, checkRate, checkState, gradientOf, slotName } from "./checks.ts";
import { ruleOf } from "./registry.ts";
import type { OptimizerRule } from "./rule.ts";

/** What the optimizer keeps on the device for one parameter. */
interface Held {
  readonly name: string;
  readonly variable: tf.Variable;
  /** The mask as a tensor of bools, and zeros beside it to choose instead; absent where all entries train. */
  readonly mask: { readonly frozen: tf.Tensor; readonly zeros: tf.Tensor } | undefined;
  /** In the rule's order; replaced in every step. */
  slots: readonly tf.Tensor[];
}

/** An optimizer of tfjs ops, for any backend; nothing waits for the device. `createTensorOptimizer` makes it. */
class TensorOptimizer implements MaskedOptimizer {
  readonly #rule: OptimizerRule;
  readonly #clipNorm: number | undefined;
  readonly #held: readonly Held[];
  #step = 0;
  #disposed = false;

  constructor(rule: OptimizerRule, parameters: readonly MaskedParameter[], clipNorm: number | undefined) {
    checkParameters(parameters, clipNorm);
    this.#rule = rule;
    this.#clipNorm = clipNorm;
    this.#held = tf.tidy(() =>
      parameters.map(({ name, variable, frozen }) => ({
        name,
        variable,
        mask: frozen?.some((entry) => entry !== 0) ? maskTensors(frozen, variable.shape) : undefined,
        slots: rule.slots.map(() => tf.keep(tf.zeros(variable.shape))),
      })),
    );
  }

  get parameters(): readonly { readonly name: string; readonly variable: tf.Variable }[] {
    return this.#held;
  }

  step(gradients: ReadonlyMap<string, tf.Tensor>, learningRate: number): void {
    this.#assertLive();
    checkRate(learningRate);
    const found = this.#held.map(({ name, variable }) => gradientOf(gradients, name, variable.size));
    tf.tidy(() => {
      const scale = this.#clippingScale(found);
      const decay = this.#rule.l2 === 0 ? undefined : tf.scalar(this.#rule.l2);
      const update = this.#rule.tensorUpdate({ step: this.#step + 1, learningRate });
      for (const [index, held] of this.#held.entries()) {
        const { variable, mask, slots } = held;
        let gradient = tf.reshape(found[index] ?? variable, variable.shape);
        if (scale !== undefined) gradient = tf.mul(gradient, scale);
        if (decay !== undefined) gradient = tf.add(gradient, tf.mul(variable, decay));
        // Chosen, not multiplied: 0 times NaN is NaN.
        if (mask !== undefined) gradient = tf.where(mask.frozen, mask.zeros, gradient);
        const next = update(variable, gradient, slots);
        held.slots = next.slots.map((slot) => tf.keep(slot));
        tf.dispose([...slots]);
        variable.assign(mask === undefined ? next.weight : tf.where(mask.frozen, variable, next.weight));
      }
    });
    this.#step += 1;
  }

  /** As `WasmOptimizer`'s, in float32 and without leaving the device. */
  #clippingScale(gradients: readonly tf.Tensor[]): tf.Tensor | undefined {
    if (this.#clipNorm === undefined) return undefined;
    const squares = this.#held.map(({ mask, variable }, index) => {
      const gradient = tf.reshape(gradients[index] ?? variable, variable.shape);
      return tf.sum(tf.square(mask === undefined ? gradient : tf.where(mask.frozen, mask.zeros, gradient)));
    });
    const norm = tf.sqrt(tf.sum(tf.stack(squares)));
    return tf.minimum(1, tf.div(this.#clipNorm, tf.add(norm, CLIP_MARGIN)));
  }

  async state(): Promise<OptimizerState> {
    this.#assertLive();
    const step = this.#step;
    // Clones hold the values while further steps replace the slots.
    const copies = this.#rule.slots.flatMap((slot, index) =>
      this.#held.map(({ name, slots, variable }) => ({
        name: slotName(slot, name),
        tensor: slots[index]?.clone() ?? tf.zeros(variable.shape),
      })),
    );
    try {
      const slots = new Map<string, Float32Array<ArrayBuffer>>();
      for (const { name, tensor } of copies) slots.set(name, Float32Array.from(await tensor.data<"float32">()));
      return { step, slots };
    } finally {
      for (const { tensor } of copies) tensor.dispose();
    }
  }

  restore(state: OptimizerState): void {
    this.#assertLive();
    checkState(state, this.#rule, this.#held);
    tf.tidy(() => {
      for (const held of this.#held) {
        const { name, variable, mask } = held;
        tf.dispose([...held.slots]);
        held.slots = this.#rule.slots.map((slot) => {
          const saved = tf.tensor(state.slots.get(slotName(slot, name))?.slice() ?? [], variable.shape, "float32");
          return tf.keep(mask === undefined ? saved : tf.where(mask.frozen, mask.zeros, saved));
        });
      }
    });
    this.#step = state.step;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const { slots, mask } of this.#held) tf.dispose([...slots, mask?.frozen, mask?.zeros].filter(isTensor));
  }

  #assertLive(): void {
    if (this.#disposed) throw new Error("the optimizer is disposed");
  }
}

/**
 * An optimizer of tfjs ops on the current backend: WebGPU, or tfjs's plain CPU as an oracle.
 * @param clipNorm largest L2 norm of all gradients together, over the entries that train; undefined: no clipping
 * @throws RangeError where a number is out of range, a mask has another size than its variable, or a name repeats
 */
export function createTensorOptimizer(
  spec: OptimizerSpec,
  parameters: readonly MaskedParameter[],
  clipNorm?: number | undefined,
): MaskedOptimizer {
  return new TensorOptimizer(ruleOf(spec), parameters, clipNorm);
}

function isTensor(tensor: tf.Tensor | undefined): tensor is tf.Tensor {
  return tensor !== undefined;
}

function maskTensors(frozen: Uint8Array, shape: number[]): { frozen: tf.Tensor; zeros: tf.Tensor } {
  const bools = Uint8Array.from(frozen, (entry) => Number(entry !== 0));
  return { frozen: tf.keep(tf.tensor(bools, shape, "bool")), zeros: tf.keep(tf.zeros(shape)) };
}
