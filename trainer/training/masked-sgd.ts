import type * as tf from "@tensorflow/tfjs-core";
import type { TrainingBackend } from "../backend/training-backend.ts";

/** A trainable tensor and which of its entries keep their initial value. */
export interface MaskedParameter {
  readonly name: string;
  readonly variable: tf.Variable;
  /** One byte an element, 1 = frozen (`frozenMask`); `undefined` where all train. */
  readonly frozen: Uint8Array | undefined;
}

export interface MaskedSgdOptions {
  /** In [0, 1). 0 = plain SGD. */
  readonly momentum: number;
}

/** What the optimizer keeps on the heap for one parameter. */
interface Slot {
  readonly name: string;
  readonly variable: tf.Variable;
  readonly size: number;
  readonly velocity: number;
  /** Address of the bit mask, or 0. */
  readonly mask: number;
}

/**
 * SGD with momentum as PyTorch has it (torch.optim.SGD: `v = momentum v + g; w = w - rate v`), which never moves a
 * frozen entry: the update is masked, not only the gradient, so neither momentum nor a NaN can leak into it
 * (TNA-PFN, arXiv:2402.01342). Velocities and masks live on the backend's heap; a step is one kernel call a parameter.
 */
export class MaskedSgd {
  readonly backend: TrainingBackend;
  readonly #momentum: number;
  readonly #slots: readonly Slot[];
  #disposed = false;

  /** @throws RangeError where the momentum is outside [0, 1), a mask has another size than its variable, or a name repeats */
  constructor(backend: TrainingBackend, parameters: readonly MaskedParameter[], { momentum }: MaskedSgdOptions) {
    if (!(momentum >= 0 && momentum < 1)) throw new RangeError(`momentum ${momentum} is not in [0, 1)`);
    const names = new Set<string>();
    for (const { name, variable, frozen } of parameters) {
      if (names.has(name)) throw new RangeError(`two parameters are named ${name}`);
      names.add(name);
      if (frozen !== undefined && frozen.length !== variable.size) {
        throw new RangeError(`the mask of ${name} has ${frozen.length} entries, the tensor ${variable.size}`);
      }
    }
    this.backend = backend;
    this.#momentum = momentum;
    this.#slots = parameters.map(({ name, variable, frozen }) => ({
      name,
      variable,
      size: variable.size,
      velocity: allocateZeroed(backend, variable.size * Float32Array.BYTES_PER_ELEMENT),
      mask: frozen?.some((entry) => entry !== 0) ? allocateBits(backend, frozen) : 0,
    }));
  }

  /** The parameters in the order they were given. */
  get parameters(): readonly { readonly name: string; readonly variable: tf.Variable }[] {
    return this.#slots;
  }

  /**
   * One step, in place. The gradients are read, not disposed.
   * @throws RangeError where a parameter has no gradient, or one of another size
   */
  step(gradients: ReadonlyMap<string, tf.Tensor>, learningRate: number): void {
    const addresses = new Map<string, number>();
    for (const { name, size } of this.#slots) {
      const gradient = gradients.get(name);
      if (gradient === undefined) throw new RangeError(`${name} has no gradient`);
      if (gradient.size !== size || gradient.dtype !== "float32") {
        throw new RangeError(`the gradient of ${name} is ${gradient.dtype}[${gradient.size}], not float32[${size}]`);
      }
      addresses.set(name, this.backend.addressOf(gradient));
    }
    this.stepAt(addresses, learningRate);
  }

  /**
   * As `step`, for gradients that lie on the heap outside any tensor.
   * @param gradients address of each parameter's gradient: float32, as many elements as the parameter
   */
  stepAt(gradients: ReadonlyMap<string, number>, learningRate: number): void {
    this.#assertLive();
    if (!Number.isFinite(learningRate)) throw new RangeError(`learning rate ${learningRate} is not a number`);
    for (const { name, variable, size, velocity, mask } of this.#slots) {
      const gradient = gradients.get(name);
      if (gradient === undefined) throw new RangeError(`${name} has no gradient`);
      const weights = this.backend.addressForWriting(variable);
      this.backend.kernels.momentumUpdate(weights, velocity, gradient, mask, size, this.#momentum, learningRate);
    }
  }

  /** Copies of the velocities, for a checkpoint that training can resume from bit for bit. */
  velocities(): Map<string, Float32Array<ArrayBuffer>> {
    this.#assertLive();
    return new Map(this.#slots.map((slot) => [slot.name, this.#velocityView(slot).slice()]));
  }

  /**
   * Puts saved velocities back. Frozen entries start at 0 whatever was saved, so a mask may change between phases.
   * @throws RangeError where a parameter is missing or has another size; then nothing has changed
   */
  restore(velocities: ReadonlyMap<string, Float32Array>): void {
    this.#assertLive();
    for (const { name, size } of this.#slots) {
      const saved = velocities.get(name);
      if (saved?.length !== size) {
        throw new RangeError(`the saved velocity of ${name} has ${saved?.length ?? "no"} entries, the tensor ${size}`);
      }
    }
    for (const slot of this.#slots) {
      const view = this.#velocityView(slot);
      view.set(velocities.get(slot.name) ?? []);
      if (slot.mask === 0) continue;
      const bits = new Uint8Array(this.backend.kernels.heap.memory.buffer, slot.mask, Math.ceil(slot.size / 8));
      for (let i = 0; i < slot.size; i++) if (((bits[i >> 3] ?? 0) >> (i & 7)) & 1) view[i] = 0;
    }
  }

  /** Frees the velocities and masks; the variables are the caller's. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const { velocity, mask } of this.#slots) {
      this.backend.kernels.heap.free(velocity);
      if (mask !== 0) this.backend.kernels.heap.free(mask);
    }
  }

  /** Views must be short-lived: growth of the memory detaches them. */
  #velocityView({ velocity, size }: Slot): Float32Array<ArrayBuffer> {
    return new Float32Array(this.backend.kernels.heap.memory.buffer as ArrayBuffer, velocity, size);
  }

  #assertLive(): void {
    if (this.#disposed) throw new Error("the optimizer is disposed");
  }
}

function allocateZeroed({ kernels: { heap } }: TrainingBackend, bytes: number): number {
  const address = heap.allocate(bytes);
  new Uint8Array(heap.memory.buffer, address, bytes).fill(0);
  return address;
}

/** One bit an entry instead of one byte: the update is bound by memory traffic, so the mask must add next to none. */
function allocateBits(backend: TrainingBackend, frozen: Uint8Array): number {
  const bytes = Math.ceil(frozen.length / 8);
  const address = allocateZeroed(backend, bytes);
  const bits = new Uint8Array(backend.kernels.heap.memory.buffer, address, bytes);
  frozen.forEach((entry, index) => {
    if (entry !== 0) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
  });
  return address;
}
