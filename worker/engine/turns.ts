import { Problem } from "../../shared/problem.ts";

/**
 * One at a time. tfjs has a single global engine in an isolate, and a probe wants most of the memory budget, so what
 * holds models alive takes turns.
 *
 * Waiting is bounded: the runtime may stop a cancelled request where it stands, and a turn that is never given back must
 * not lock the isolate for good.
 */
export class Turns {
  readonly #patienceMs: number;
  #current: object | undefined;
  #waiting: { turn: object; admit(): void }[] = [];

  /** @param patienceMs how long a caller waits for its turn */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /** @throws Problem `over-budget` where the turn does not come in time */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = {};
    if (this.#current === undefined) this.#current = turn;
    else await this.#wait(turn);
    try {
      return await work();
    } finally {
      this.#giveBack(turn);
    }
  }

  async #wait(turn: object): Promise<void> {
    const holder = this.#current;
    const { promise: admitted, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.push({ turn, admit: () => resolve(true) });
    const timer = setTimeout(() => resolve(false), this.#patienceMs);
    const isAdmitted = await admitted;
    clearTimeout(timer);
    if (isAdmitted) return;
    this.#waiting = this.#waiting.filter((entry) => entry.turn !== turn);
    // The same holder all the time we were patient: it is taken for dead, so that the next caller is served.
    if (this.#current === holder && holder !== undefined) this.#giveBack(holder);
    throw new Problem("over-budget", "This isolate is busy with work of the same kind; try again shortly.");
  }

  #giveBack(turn: object): void {
    if (this.#current !== turn) return;
    const next = this.#waiting.shift();
    this.#current = next?.turn;
    next?.admit();
  }
}

/** One at a time for each key. */
export class KeyedTurns<Key> {
  readonly #patienceMs: number;
  readonly #turns = new Map<Key, { turns: Turns; users: number }>();

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /** @throws Problem `over-budget` where the turn does not come in time */
  async run<Result>(key: Key, work: () => Promise<Result>): Promise<Result> {
    const entry = this.#turns.get(key) ?? { turns: new Turns(this.#patienceMs), users: 0 };
    this.#turns.set(key, entry);
    entry.users++;
    try {
      return await entry.turns.run(work);
    } finally {
      entry.users--;
      if (entry.users === 0) this.#turns.delete(key);
    }
  }
}
