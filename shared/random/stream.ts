import { sha256 } from "@noble/hashes/sha2.js";
import { philox4x32 } from "./philox.ts";

/**
 * A reproducible stream of random numbers: Philox4x32-10 with a 64-bit seed as key and the purpose of the stream as the
 * upper half of the counter. Streams of one seed with different labels are independent, on every machine the same.
 */
export class RandomStream {
  readonly #key: readonly [number, number];
  readonly #label: readonly [number, number];
  readonly #lanes = new Uint32Array(4);
  #block = 0;
  #lane = 4;

  /**
   * @param seed 64 bits
   * @param label what the numbers are for, such as `shuffle/3`
   */
  constructor(seed: bigint, label: string) {
    const words = new DataView(sha256(new TextEncoder().encode(`stream/${label}`)).buffer);
    this.#key = [Number(seed & 0xffffffffn), Number((seed >> 32n) & 0xffffffffn)];
    this.#label = [words.getUint32(0, true), words.getUint32(4, true)];
  }

  /** A whole number in [0, 2^32). */
  uint32(): number {
    if (this.#lane === 4) {
      philox4x32([this.#block >>> 0, Math.floor(this.#block / 2 ** 32), ...this.#label], this.#key, this.#lanes);
      this.#block++;
      this.#lane = 0;
    }
    return this.#lanes[this.#lane++] ?? 0;
  }

  /** A number strictly between 0 and 1. */
  uniform(): number {
    return (this.uint32() + 0.5) / 2 ** 32;
  }

  /** A normal deviate, mean 0, variance 1 (Box and Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A whole number in [0, bound), without bias (rejection). */
  below(bound: number): number {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const value = this.uint32();
      if (value < limit) return value % bound;
    }
  }

  /** Shuffles in place (Fisher and Yates). */
  shuffle<T extends { [index: number]: number; length: number }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const swap = items[i] as number;
      items[i] = items[j] as number;
      items[j] = swap;
    }
    return items;
  }
}
