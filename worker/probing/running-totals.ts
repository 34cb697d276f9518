import { addSums, type EvaluationSums } from "../../shared/evaluation/sums.ts";

/**
 * Adds the sums of a grid up, shard after shard in the dataset's order: however the work was cut, it is the same sum.
 */
export class RunningTotals {
  #totals: EvaluationSums[] | undefined;

  /** @param sums of every point on one shard */
  add(sums: readonly EvaluationSums[]): void {
    const before = this.#totals;
    this.#totals = before === undefined ? [...sums] : sums.map((one, point) => plus(before[point], one));
  }

  /** Undefined before the first shard. */
  get totals(): readonly EvaluationSums[] | undefined {
    return this.#totals;
  }
}

/**
 * Puts the sums of shards together that come in runs of points. Shards that are evaluated together may be open at the same
 * time, where a run has not all points.
 */
export class OpenShards {
  readonly #points: number;
  readonly #open = new Map<number, EvaluationSums[]>();

  /** @param points of the grid */
  constructor(points: number) {
    this.#points = points;
  }

  /**
   * @param sums of the shard's next points
   * @returns those of all points, once they are there
   */
  take(shard: number, sums: readonly EvaluationSums[]): readonly EvaluationSums[] | undefined {
    const all = [...(this.#open.get(shard) ?? []), ...sums];
    if (all.length < this.#points) {
      this.#open.set(shard, all);
      return undefined;
    }
    this.#open.delete(shard);
    return all;
  }
}

function plus(before: EvaluationSums | undefined, sums: EvaluationSums): EvaluationSums {
  return before === undefined ? sums : addSums(before, sums);
}
