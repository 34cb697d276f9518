import type { MemoryBudget, MemoryLease } from "../../shared/memory-budget.ts";

interface Entry<Value> {
  readonly value: Promise<Value>;
  readonly lease: MemoryLease;
  users: number;
}

/** A cached value in use: it stays until it is released. */
export interface Held<Value> {
  readonly value: Value;
  /** Gives the value back; calling it again does nothing. */
  release(): void;
}

/**
 * What an isolate keeps between requests as long as nobody needs the memory: the values that were used last, within a
 * share of the budget. Every byte is booked; whoever takes more than is free makes those go that nobody uses, the one
 * that was not used for the longest time first.
 */
export class LeasedCache<Value> {
  readonly #budget: MemoryBudget;
  readonly #mostBytes: number;
  /** By last use: a Map keeps the order in which keys were entered. */
  readonly #entries = new Map<string, Entry<Value>>();

  /**
   * @param budget in which it gives way
   * @param mostBytes kept while nobody uses them
   */
  constructor(budget: MemoryBudget, mostBytes: number) {
    this.#budget = budget;
    this.#mostBytes = mostBytes;
    budget.onPressure((missing) => this.#evict(missing));
  }

  /** Bytes of all values, used or not. */
  get bytes(): number {
    return Array.from(this.#entries.values()).reduce((sum, { lease }) => sum + lease.bytes, 0);
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * The value of a key, loaded once however many ask at a time.
   * @param bytes what the value takes
   * @throws Problem `over-budget`; what `load` throws, and then nothing is kept
   */
  async use(key: string, bytes: number, load: () => Promise<Value>): Promise<Held<Value>> {
    const used = this.#entries.get(key) ?? this.#begin(bytes, load);
    this.#entries.delete(key);
    this.#entries.set(key, used);
    used.users++;
    try {
      const value = await used.value;
      let isHeld = true;
      const release = () => {
        if (!isHeld) return;
        isHeld = false;
        used.users--;
        this.#trim();
      };
      return { value, release };
    } catch (error) {
      used.users--;
      if (this.#entries.get(key) === used) this.#entries.delete(key);
      used.lease.release();
      throw error;
    }
  }

  #begin(bytes: number, load: () => Promise<Value>): Entry<Value> {
    const lease = this.#budget.take(bytes);
    return { value: Promise.resolve().then(load), lease, users: 0 };
  }

  /** Keeps no more unused bytes than this cache may. */
  #trim(): void {
    const unused = Array.from(this.#entries.values()).filter(({ users }) => users === 0);
    const bytes = unused.reduce((sum, { lease }) => sum + lease.bytes, 0);
    if (bytes > this.#mostBytes) this.#evict(bytes - this.#mostBytes);
  }

  /** Forgets unused values, the oldest first, until so many bytes are free or none is left. */
  #evict(bytes: number): void {
    let left = bytes;
    for (const [key, { users, lease }] of this.#entries) {
      if (left <= 0) return;
      if (users > 0) continue;
      this.#entries.delete(key);
      lease.release();
      left -= lease.bytes;
    }
  }
}
