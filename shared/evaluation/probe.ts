import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import {
  type Architecture,
  buildModel,
  checkWeights,
  type Weights,
  weightShapes,
  weightSpecs,
} from "../models/index.ts";
import { type Barrier, barrierOfPath, type PathPoint } from "./barrier.ts";
import { addSums, type EvaluationSums, evaluateShard, meansOf, NO_SAMPLES } from "./evaluate.ts";
import type { Shard } from "./shard.ts";

/**
 * A model that walks the straight line between two sets of weights. The endpoints are uploaded once; each step
 * interpolates inside the backend's heap, in place.
 */
export class LinearPath {
  readonly model: LayersModel;
  readonly #legs: { variable: tf.Variable; from: tf.Tensor; to: tf.Tensor }[];

  /** @throws Problem `incompatible-weights` where an endpoint does not fit the architecture */
  constructor(architecture: Architecture, from: Weights, to: Weights) {
    // Before the model: the architecture is what a checkpoint says, and may be far larger than the checkpoint.
    const shapes = weightShapes(architecture);
    for (const end of [from, to]) checkWeights(shapes, new Map(Array.from(end, ([name, { shape }]) => [name, shape])));
    this.model = buildModel(architecture);
    try {
      const specs = weightSpecs(this.model);
      this.#legs = specs.map(({ name, shape, variable }) => ({
        variable,
        from: tf.tensor(from.get(name)?.values ?? [], [...shape], "float32"),
        to: tf.tensor(to.get(name)?.values ?? [], [...shape], "float32"),
      }));
    } catch (error) {
      this.model.dispose();
      throw error;
    }
  }

  /**
   * Sets the model's weights to from + alpha (to - from): equal entries, such as frozen ones, stay bit-equal all along
   * the path, and both ends are exact.
   */
  moveTo(alpha: number): void {
    for (const { variable, from, to } of this.#legs) {
      tf.tidy(() => {
        const point =
          alpha === 0 ? from.clone() : alpha === 1 ? to.clone() : tf.add(from, tf.mul(tf.sub(to, from), alpha));
        variable.assign(point);
      });
    }
  }

  dispose(): void {
    for (const { from, to } of this.#legs) tf.dispose([from, to]);
    this.model.dispose();
  }
}

/** Evaluates a whole grid of a path on one shard. */
export function probeShard(
  path: LinearPath,
  shard: Shard,
  alphas: readonly number[],
  batch?: number,
): EvaluationSums[] {
  return alphas.map((alpha) => {
    path.moveTo(alpha);
    return evaluateShard(path.model, shard, batch);
  });
}

export interface PathReport extends Barrier {
  readonly points: readonly PathPoint[];
  readonly samples: number;
}

/** Merges the sums of all shards and measures the barrier. Shards must come in the dataset's order. */
export function reportPath(alphas: readonly number[], shards: readonly (readonly EvaluationSums[])[]): PathReport {
  const totals = alphas.map((_, index) =>
    shards.reduce((sum, shard) => addSums(sum, shard[index] ?? NO_SAMPLES), NO_SAMPLES),
  );
  const points = totals.map((sums, index) => ({ alpha: alphas[index] ?? 0, ...meansOf(sums) }));
  return { ...barrierOfPath(points), points, samples: totals[0]?.count ?? 0 };
}
