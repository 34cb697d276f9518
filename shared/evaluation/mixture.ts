import * as tf from "@tensorflow/tfjs-core";
import { type Architecture, checkWeights, type Weights, weightShapes } from "../models/index.ts";
import { Problem } from "../problem.ts";
import { type Evaluable, type EvaluableWeight, evaluableOf } from "./evaluable.ts";
import type { Coefficients } from "./grids.ts";

/** How far coefficients may be from a sum of 1; the rounding of a mean of many. */
const SUM_TOLERANCE = 1e-9;

/**
 * A model that moves between K sets of weights. The endpoints are uploaded once; each move combines them inside the
 * backend's heap, in place.
 */
export class Mixture {
  readonly evaluable: Evaluable;
  readonly #weights: readonly { readonly variable: tf.Variable; readonly ends: readonly tf.Tensor[] }[];
  readonly #endpoints: number;
  readonly #ownsEvaluable: boolean;

  /**
   * @param endpoints K sets of weights, at least one; their values may be dropped afterwards
   * @param ownsEvaluable whether the model is disposed of with the mixture
   * @throws Problem `incompatible-weights` where an endpoint does not fit the model, `non-finite-values` where it holds a
   *   NaN or an infinity; nothing is left behind then but the model
   */
  constructor(evaluable: Evaluable, endpoints: readonly Weights[], ownsEvaluable = false) {
    if (endpoints.length === 0) throw new RangeError("a mixture has at least one endpoint");
    for (const endpoint of endpoints) {
      checkNames(evaluable.specs, endpoint);
      requireFiniteWeights(endpoint);
    }
    this.evaluable = evaluable;
    this.#endpoints = endpoints.length;
    this.#ownsEvaluable = ownsEvaluable;
    const uploaded: tf.Tensor[] = [];
    try {
      this.#weights = evaluable.specs.map(({ name, shape, variable }) => ({
        variable,
        ends: endpoints.map((endpoint) => {
          const tensor = tf.tensor(endpoint.get(name)?.values ?? [], [...shape], "float32");
          uploaded.push(tensor);
          return tensor;
        }),
      }));
    } catch (error) {
      tf.dispose(uploaded);
      throw error;
    }
  }

  /**
   * Puts the model at w = w_f + sum of c_k (w_k - w_f), with f the first endpoint whose coefficient is not 0: entries
   * that are equal in the endpoints taking part, such as frozen ones, stay bit-equal, and an endpoint is met exactly.
   * Running statistics of batch normalisation are combined like all weights.
   * @param coefficients one for each endpoint, finite, with sum 1
   */
  moveTo(coefficients: Coefficients): void {
    const sum = coefficients.reduce((total, coefficient) => total + coefficient, 0);
    if (coefficients.length !== this.#endpoints || !(Math.abs(sum - 1) <= SUM_TOLERANCE)) {
      throw new RangeError(
        `a point takes ${this.#endpoints} coefficients with sum 1, not [${coefficients.join(", ")}]`,
      );
    }
    for (const { variable, ends } of this.#weights) {
      tf.tidy(() => variable.assign(combine(ends, coefficients)));
    }
  }

  dispose(): void {
    for (const { ends } of this.#weights) tf.dispose([...ends]);
    if (this.#ownsEvaluable) this.evaluable.dispose();
  }
}

function combine(ends: readonly tf.Tensor[], coefficients: Coefficients): tf.Tensor {
  const first = coefficients.findIndex((coefficient) => coefficient !== 0);
  const base = ends[first];
  if (base === undefined) throw new RangeError("coefficients with sum 1 are not all 0");
  let point: tf.Tensor = base;
  for (const [index, end] of ends.entries()) {
    const coefficient = coefficients[index] ?? 0;
    if (index === first || coefficient === 0) continue;
    point = tf.add(point, tf.mul(tf.sub(end, base), coefficient));
  }
  // A variable takes a tensor's memory as it is, and the endpoints must outlive every move.
  return point === base ? base.clone() : point;
}

/** @throws Problem `incompatible-weights` */
function checkNames(specs: readonly Pick<EvaluableWeight, "name" | "shape">[], endpoint: Weights): void {
  checkWeights(specs, new Map(Array.from(endpoint, ([name, { shape }]) => [name, shape])));
}

/**
 * A NaN need not show in a model's output: a ReLU makes 0 of it, and an infinity may saturate. So it is looked for.
 * @throws Problem `non-finite-values` naming the weight
 */
export function requireFiniteWeights(weights: Weights): void {
  for (const [tensor, { values }] of weights) {
    // Anything less itself is 0, but for what is not finite: twenty times as fast as asking each.
    let poison = 0;
    for (let at = 0; at < values.length; at++) {
      const value = values[at] ?? 0;
      poison += value - value;
    }
    if (poison === 0) continue;
    const index = values.findIndex((value) => !Number.isFinite(value));
    throw new Problem("non-finite-values", `Weight ${tensor} is ${values[index]} at element ${index}.`, {
      tensor,
      index,
    });
  }
}

/**
 * A mixture with a model of its own, which is disposed of with it. The weights are checked before the model is built.
 * @throws Problem `incompatible-weights` where an endpoint does not fit the architecture
 */
export function mixtureOf(architecture: Architecture, endpoints: readonly Weights[]): Mixture {
  const shapes = weightShapes(architecture);
  for (const endpoint of endpoints) checkNames(shapes, endpoint);
  const evaluable = evaluableOf(architecture);
  try {
    return new Mixture(evaluable, endpoints, true);
  } catch (error) {
    evaluable.dispose();
    throw error;
  }
}
