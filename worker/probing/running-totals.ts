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

function plus(before: EvaluationSums | undefined, sums: EvaluationSums): EvaluationSums {
  return before === undefined ? sums : addSums(before, sums);
}
