import type { DoublesBlock, DrawWords, Json } from "../methods/method.ts";
import { type PlannedTensor } from "../plan.ts";
import { philox4x32 } from "../../random/philox.ts";
import { CutSearch, SEARCH_BYTES, type SearchedRow } from "./cut-search.ts";
import { type Cut, EVERYTHING, isWithin, MagnitudeKeys, NOTHING } from "./selection.ts";

/** What an input's share of survivors follows from. */
export interface Thinning {
  readonly density: number;
  /** Of breadcrumbs: share of the largest that is dropped. */
  readonly gamma: number;
  /** Of DELLA: half of the range over which probabilities spread. */
  readonly epsilon: number;
  readonly words: DrawWords;
}

/**
 * Decides which entries of one input's difference from the base stay.
 */
export interface Sparsifier {
  /** Ranks that must be found first, in order of falling magnitude; none for random masks. */
  ranks(elements: number, thinning: Thinning): readonly number[];
  /** Where magnitudes alone decide: what stays lies within `bottom` and not within `top`. */
  bounds?(cuts: readonly Cut[]): { readonly top: Cut; readonly bottom: Cut };
  /** Where chance alone decides: heap address of an input's mask in the block; 0 where all stay. */
  drawn?(block: DoublesBlock, input: number, thinning: Thinning): number;
  /**
   * @param keep receives 1 where the entry stays, else 0
   * @param cuts for the ranks
   */
  select(
    deltas: Float64Array<ArrayBuffer>,
    block: DoublesBlock,
    thinning: Thinning,
    cuts: readonly Cut[],
    keep: Uint8Array,
  ): void;
}

/** All stay. */
export const everything: Sparsifier = {
  ranks: () => [],
  bounds: () => ({ top: NOTHING, bottom: EVERYTHING }),
  select: (_, { count }, __, ___, keep) => void keep.fill(1, 0, count),
};

const KEYS = new MagnitudeKeys();

/** The trunc(density·n) largest magnitudes. None at all stay where that is 0. */
export const magnitude: Sparsifier = {
  ranks: (elements, { density }) => [Math.trunc(density * elements)],
  bounds: ([bottom = EVERYTHING]) => ({ top: NOTHING, bottom }),
  select(deltas, { first, count }, _, [cut = EVERYTHING], keep) {
    if (cut.key === EVERYTHING.key || cut.key === NOTHING.key) {
      keep.fill(cut.key === EVERYTHING.key ? 1 : 0, 0, count);
      return;
    }
    const { key, last } = cut;
    const keys = KEYS.of(deltas);
    // Within the index, equals stay; beyond it, they do not.
    const split = Math.min(count, Math.max(0, last - first + 1));
    for (let at = 0; at < split; at++) keep[at] = (keys[at] as number) >= key ? 1 : 0;
    for (let at = split; at < count; at++) keep[at] = (keys[at] as number) > key ? 1 : 0;
  },
};

/** All but the largest (share gamma) and the smallest: what is left is trunc(density·n) entries, if so many there are. */
export const withoutOutliers: Sparsifier = {
  ranks(elements, { density, gamma }) {
    const kept = Math.trunc(density * elements);
    const top = Math.min(Math.trunc(gamma * elements), elements - kept);
    return [top, top + kept];
  },
  bounds: ([top = NOTHING, bottom = EVERYTHING]) => ({ top, bottom }),
  select(deltas, { first, count }, _, [top = NOTHING, bottom = EVERYTHING], keep) {
    const keys = KEYS.of(deltas);
    for (let at = 0; at < count; at++) {
      const key = keys[at] as number;
      keep[at] = isWithin(bottom, key, first + at) && !isWithin(top, key, first + at) ? 1 : 0;
    }
  },
};

/** Each stays with probability density. */
export const bernoulli: Sparsifier = {
  ranks: () => [],
  drawn: (block, input, { density, words }) => (density >= 1 ? 0 : block.draw(words, density, input)),
  select(_, block, { density, words }, __, keep) {
    if (density >= 1) keep.fill(1, 0, block.count);
    else keep.set(new Uint8Array(block.kernels.heap.memory.buffer, block.draw(words, density), block.count));
  },
};

/**
 * Each stays with a probability that grows with its rank among its row: from density - epsilon for the smallest to
 * density + epsilon for the largest. Rows run along the second axis; a vector is one row. In a row of one element, and
 * where all are equal in rank, the probability is density.
 */
export const byRank: Sparsifier = {
  ranks: () => [],
  select(deltas, block, { density, epsilon, words }, _, keep) {
    const { count, first, tensor } = block;
    if (density >= 1 || density <= 0) {
      keep.fill(density >= 1 ? 1 : 0, 0, count);
      return;
    }
    const { length, stride } = rankRows(tensor);
    const keys = KEYS.of(deltas).slice(0, count);
    const order = new Uint32Array(length);
    const lanes = new Uint32Array(4);
    const key = [Number(words.seed & 0xffffffffn), Number((words.seed >> 32n) & 0xffffffffn)] as const;
    let drawn = -1;
    const chances = new Float64Array(count);
    for (let run = 0; run < count; run += length * stride) {
      for (let lane = 0; lane < stride; lane++) {
        const at = (step: number) => run + lane + step * stride;
        for (let step = 0; step < length; step++) order[step] = step;
        order.sort((a, b) => (keys[at(a)] as number) - (keys[at(b)] as number) || a - b);
        for (let rank = 0; rank < length; rank++) {
          const place = length > 1 ? (2 * rank) / (length - 1) - 1 : 0;
          chances[at(order[rank] as number)] = density + epsilon * place;
        }
      }
    }
    for (let index = 0; index < count; index++) {
      const element = first + index;
      const group = Math.floor(element / 4);
      if (group !== drawn) {
        philox4x32([group >>> 0, Math.floor(group / 2 ** 32), words.low, words.high], key, lanes);
        drawn = group;
      }
      keep[index] = (lanes[element % 4] as number) < Math.floor((chances[index] as number) * 2 ** 32) ? 1 : 0;
    }
  },
};

/** Rows of {@link byRank}: along axis 1, or the only one there is. */
export function rankRows({ shape }: Pick<PlannedTensor, "shape">): {
  readonly length: number;
  readonly stride: number;
} {
  if (shape.length < 2) return { length: shape[0] ?? 1, stride: 1 };
  return { length: shape[1] ?? 1, stride: shape.slice(2).reduce((product, size) => product * size, 1) };
}

/** Streams in which cuts are sought: one for each input. */
export class CutSearches {
  readonly #searches: readonly CutSearch[];

  constructor(elements: number, ranks: readonly (readonly number[])[]) {
    this.#searches = ranks.map((own) => new CutSearch(elements, own));
  }

  /**
   * One pass at a time, as long as there is something to be found.
   * @param rowOf a stream's elements in a block
   */
  *run(
    rowOf: (block: DoublesBlock, stream: number) => SearchedRow,
  ): Generator<(block: DoublesBlock) => void, Cut[][], void> {
    const pending = () => [...this.#searches.entries()].filter(([, { done }]) => !done);
    try {
      for (let searches = pending(); searches.length > 0; searches = pending()) {
        yield (block) => {
          for (const [, search] of searches) search.prepare(block.kernels);
          for (const [index, search] of searches) search.look(rowOf(block, index));
        };
        for (const [, search] of searches) search.endRound();
      }
    } finally {
      for (const search of this.#searches) search.free();
    }
    return this.#searches.map(({ cuts }) => cuts);
  }
}

/** Bytes that searches take at most. */
export function searchBytes(inputs: number): number {
  return inputs * SEARCH_BYTES;
}

export function cutsToJson(cuts: readonly (readonly Cut[])[]): Json {
  return cuts.map((own) => own.map(({ key, last }) => [key, last]));
}

export function cutsFromJson(json: Json | undefined): Cut[][] {
  return ((json ?? []) as readonly (readonly (readonly [number, number])[])[]).map((own) =>
    own.map(([key, last]) => ({ key, last })),
  );
}
