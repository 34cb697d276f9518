/** Weight of the newest step in the smoothed loss. */
const SMOOTHING = 0.05;
/** Losses still on their way from a GPU. Waiting for each would leave it idle between steps. */
const MOST_PENDING = 16;

/** The loss of one step, once it is known. */
export interface KnownLoss<C> {
  readonly context: C;
  readonly loss: number;
  readonly smoothed: number;
}

/**
 * Takes the losses of steps, numbers or promises of them, and gives them on in the order of the steps. Sums are the
 * same however the losses arrive.
 * @template C what belongs to a step
 */
export class LossRecord<C> {
  readonly #onLoss: (known: KnownLoss<C>) => void;
  readonly #pending: { readonly context: C; readonly loss: Promise<number> }[] = [];
  #sum: number;
  #smoothed: number | undefined;
  #last: KnownLoss<C> | undefined;

  /** @param onLoss called once a step, in order; what it throws comes out of {@link add} or {@link settle} */
  constructor(onLoss: (known: KnownLoss<C>) => void, sum = 0, smoothed?: number) {
    this.#onLoss = onLoss;
    this.#sum = sum;
    this.#smoothed = smoothed;
  }

  /** Of the losses since {@link clearSum}; settled ones only. */
  get sum(): number {
    return this.#sum;
  }

  get smoothed(): number | undefined {
    return this.#smoothed;
  }

  /** The latest that has settled. */
  get last(): KnownLoss<C> | undefined {
    return this.#last;
  }

  clearSum(): void {
    this.#sum = 0;
  }

  /** @returns a promise only where there is something to wait for */
  add(context: C, loss: number | Promise<number>): Promise<void> | undefined {
    if (typeof loss === "number") {
      this.#know(context, loss);
      return undefined;
    }
    // Awaited later; until then a rejection is not unhandled.
    loss.catch(() => undefined);
    this.#pending.push({ context, loss });
    return this.#pending.length < MOST_PENDING ? undefined : this.settle();
  }

  /** Waits for every loss that is on its way. */
  async settle(): Promise<void> {
    const pending = this.#pending.splice(0);
    for (const { context, loss } of pending) this.#know(context, await loss);
  }

  #know(context: C, loss: number): void {
    this.#sum += loss;
    this.#smoothed = this.#smoothed === undefined ? loss : this.#smoothed + SMOOTHING * (loss - this.#smoothed);
    this.#last = { context, loss, smoothed: this.#smoothed };
    this.#onLoss(this.#last);
  }
}
