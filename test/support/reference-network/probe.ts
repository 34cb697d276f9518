import type { Shard, ValidationShard } from "../../../shared/evaluation/shard.ts";
import type { Architecture, Weights } from "../../../shared/models/index.ts";
import { referenceLogits, type ReferenceWeights } from "./networks.ts";
import { product, type Values } from "./operations.ts";

/** A point between models in float64: the sum of coefficient times weights, nothing rounded. */
export function mixedWeights(endpoints: readonly Weights[], coefficients: readonly number[]): Map<string, Values> {
  const [first] = endpoints;
  return new Map(
    Array.from(first ?? [], ([name, { shape, values }]) => [
      name,
      {
        shape,
        data: Float64Array.from(values, (_, index) =>
          endpoints.reduce(
            (sum, endpoint, k) => sum + (coefficients[k] ?? 0) * (endpoint.get(name)?.values[index] ?? Number.NaN),
            0,
          ),
        ),
      },
    ]),
  );
}

/** The real values of a shard's samples. */
export function samplesOf({ count, inputShape, x, scale, offset }: ValidationShard): Values {
  return { shape: [count, ...inputShape], data: Float64Array.from(x, (value) => value * scale + offset) };
}

/** Weights with all running statistics replaced by those of the calibration samples, which pass as one batch. */
export function recalibrated(
  architecture: Architecture,
  weights: ReferenceWeights,
  calibration: ValidationShard,
): Map<string, Values> {
  const changed = new Map(weights);
  referenceLogits(architecture, weights, samplesOf(calibration), true, (layer, { mean, variance }) => {
    changed.set(`${layer}/moving_mean`, mean);
    changed.set(`${layer}/moving_variance`, variance);
  });
  return changed;
}

/** Mean cross-entropy and accuracy of a classifier, and whether each label was predicted right. */
export function referenceQuality(
  architecture: Architecture,
  weights: ReferenceWeights,
  shard: Shard,
): { loss: number; accuracy: number; right: boolean[] } {
  const logits = referenceLogits(architecture, weights, samplesOf(shard));
  const classes = logits.shape.at(-1) ?? 0;
  if (product(logits.shape) / classes !== shard.y.length) throw new Error("labels and logits do not fit");
  let loss = 0;
  const right = Array.from(shard.y, (label, row) => {
    const scores = logits.data.subarray(row * classes, (row + 1) * classes);
    const largest = Math.max(...scores);
    loss += Math.log(scores.reduce((sum, score) => sum + Math.exp(score - largest), 0)) + largest;
    loss -= scores[label] ?? Number.NaN;
    return scores.indexOf(largest) === label;
  });
  return { loss: loss / right.length, accuracy: right.filter(Boolean).length / right.length, right };
}
