import { Problem } from "./problem.ts";

/** Bytes taken from a budget. */
export interface MemoryLease {
  readonly bytes: number;
  /** Gives the bytes back; calling it again does nothing. */
  release(): void;
}

/**
 * An account of buffer memory. Workers allow 128 MB for an isolate and kill it without a word beyond that, while the
 * local runtime enforces nothing; so every large buffer is booked here, and a test can assert the peak.
 */
export class MemoryBudget {
  readonly limitBytes: number;
  #used = 0;
  #highWater = 0;
  readonly #reclaimers: ((missingBytes: number) => void)[] = [];

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#used;
  }

  /** The most bytes that were taken at any one time. */
  get highWaterBytes(): number {
    return this.#highWater;
  }

  get freeBytes(): number {
    return this.limitBytes - this.#used;
  }

  /**
   * Names someone who holds bytes that can be done without, such as a cache. They are asked in the order of their naming.
   * @param reclaim called when bytes are wanted that are not free, with how many are missing: releases leases, or not
   */
  onPressure(reclaim: (missingBytes: number) => void): void {
    this.#reclaimers.push(reclaim);
  }

  /**
   * Takes bytes, and those that can be done without from whoever holds them.
   * @throws Problem `over-budget` where fewer bytes are left. Nothing is taken then.
   */
  take(bytes: number): MemoryLease {
    for (const reclaim of this.#reclaimers) {
      if (bytes > this.freeBytes && bytes <= this.limitBytes) reclaim(bytes - this.freeBytes);
    }
    if (bytes > this.freeBytes) {
      throw new Problem(
        "over-budget",
        `This needs ${bytes} bytes of memory; ${this.freeBytes} of ${this.limitBytes} are free.`,
        { neededBytes: bytes, freeBytes: this.freeBytes, limitBytes: this.limitBytes },
      );
    }
    this.#used += bytes;
    this.#highWater = Math.max(this.#highWater, this.#used);
    let held = true;
    return {
      bytes,
      release: () => {
        if (held) this.#used -= bytes;
        held = false;
      },
    };
  }
}
