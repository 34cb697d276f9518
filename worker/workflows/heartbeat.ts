import { touchFusion } from "../catalog/fusions.ts";
import { limitsOf } from "../environment.ts";
import type { StepContext } from "./fuse-steps.ts";
import { Superseded } from "./outcome.ts";

/** Often enough for people who watch, and little beside the work. */
const MOST_MS = 2_000;

/** Beats between two looks of someone who takes a silent attempt for dead. */
const BEATS_IN_STALL = 4;

/**
 * Shows that an attempt is alive while it works, and finds out whether it should go on. An attempt that was cancelled or
 * taken over ends itself at its next beat. It must not be terminated from outside: the platform stops a terminated step
 * where it stands, and what it has booked of the isolate's memory would never be given back.
 */
export class Heartbeat {
  readonly #context: StepContext;
  readonly #everyMs: number;
  #last: number;
  #isSuperseded = false;

  constructor(context: StepContext) {
    this.#context = context;
    this.#everyMs = Math.min(MOST_MS, (limitsOf(context.environment).stallSeconds * 1000) / BEATS_IN_STALL);
    this.#last = context.now().getTime();
  }

  /** To be called whenever some work is done. @throws Superseded */
  async beat(): Promise<void> {
    if (this.#isDue()) await this.#touch();
    this.#throwIfSuperseded();
  }

  /** The same for work that cannot wait: what a beat finds out is thrown at a later one. @throws Superseded */
  beatBehind(): void {
    if (this.#isDue()) void this.#touch();
    this.#throwIfSuperseded();
  }

  #isDue(): boolean {
    return this.#context.now().getTime() - this.#last >= this.#everyMs;
  }

  async #touch(): Promise<void> {
    const { environment, id, attempt, now } = this.#context;
    const at = now();
    this.#last = at.getTime();
    try {
      this.#isSuperseded = !(await touchFusion(environment.CATALOG, { id, attempt }, at.toISOString()));
    } catch {
      // A beat that is lost is made up for by the next.
    }
  }

  #throwIfSuperseded(): void {
    if (this.#isSuperseded) throw new Superseded();
  }
}
