import * as tf from "@tensorflow/tfjs-core";
import { Problem } from "../problem.ts";
import type { BatchNormalizationLayer, Evaluable } from "./evaluable.ts";
import { checkInputs, DEFAULT_BATCH, inputTensor } from "./evaluate.ts";
import type { ValidationShard } from "./shard.ts";

/**
 * How the running statistics of batch normalisation are had at a point between models. `interpolated`: combined like all
 * weights, as most published barriers have them. `recomputed`: taken anew at each point, the members included, from
 * calibration samples, without which a point may fail for its stale statistics alone (Jordan et al., arXiv:2211.08403).
 */
export type StatisticsMode = "interpolated" | "recomputed";

/** Running statistics by the names of their weights, all [channels]. */
export type BatchStatistics = ReadonlyMap<string, Float32Array<ArrayBuffer>>;

/**
 * Recomputes the running statistics of a model at its present weights: for each batch normalisation, from the first to
 * the last, the exact mean and biased variance of its input over all calibration samples, given the statistics that the
 * earlier layers have just got. Sums are float64 and merged over batches (Chan et al. 1983), so the batch size does not
 * matter. The model keeps the new statistics.
 * @param calibration its labels are not looked at
 * @throws Problem `incompatible-dataset` where the samples do not fit, `non-finite-values` where a layer's input has none
 */
export function recomputeStatistics(
  evaluable: Evaluable,
  calibration: ValidationShard,
  batch = DEFAULT_BATCH,
): BatchStatistics {
  checkInputs(evaluable, calibration);
  const statistics = new Map<string, Float32Array<ArrayBuffer>>();
  const settle = (layer: BatchNormalizationLayer, moments: ChannelMoments) => {
    requireFinite(layer, moments);
    statistics.set(layer.meanName, Float32Array.from(moments.mean));
    statistics.set(layer.varianceName, moments.variance());
    assignLayer(layer, statistics);
  };
  const { normalizations, passThrough } = evaluable;
  if (passThrough !== undefined && calibration.count <= batch) {
    tf.tidy(() =>
      passThrough(inputTensor(calibration, 0, batch), (layer, input) => {
        const moments = new ChannelMoments(layer.movingMean.size);
        moments.add(rowsOf(layer, input));
        settle(layer, moments);
      }),
    );
    return statistics;
  }
  for (const layer of normalizations) {
    const moments = new ChannelMoments(layer.movingMean.size);
    for (let begin = 0; begin < calibration.count; begin += batch) {
      moments.add(tf.tidy(() => rowsOf(layer, layer.inputOf(inputTensor(calibration, begin, batch)))));
    }
    settle(layer, moments);
  }
  return statistics;
}

/** Gives a model statistics that were recomputed earlier, at the same point. */
export function assignStatistics(evaluable: Evaluable, statistics: BatchStatistics): void {
  for (const layer of evaluable.normalizations) assignLayer(layer, statistics);
}

function assignLayer(
  { name, meanName, varianceName, movingMean, movingVariance }: BatchNormalizationLayer,
  statistics: BatchStatistics,
): void {
  for (const [weight, variable] of [
    [meanName, movingMean],
    [varianceName, movingVariance],
  ] as const) {
    const values = statistics.get(weight);
    if (values?.length !== variable.size) throw new RangeError(`the statistics do not fit ${name}`);
    tf.tidy(() => variable.assign(tf.tensor(values, variable.shape, "float32")));
  }
}

function requireFinite({ name }: BatchNormalizationLayer, { mean, squares }: ChannelMoments): void {
  if (mean.every(Number.isFinite) && squares.every(Number.isFinite)) return;
  throw new Problem("non-finite-values", `The input of ${name} is not finite on the calibration samples.`, {
    layer: name,
  });
}

/** A layer's input position by position: [positions, channels]. */
function rowsOf(layer: BatchNormalizationLayer, input: tf.Tensor): Float32Array {
  return channelsLast(layer, input).dataSync<"float32">();
}

function channelsLast({ channelAxis }: BatchNormalizationLayer, input: tf.Tensor): tf.Tensor {
  const axis = channelAxis < 0 ? input.rank + channelAxis : channelAxis;
  if (axis === input.rank - 1) return input;
  const others = input.shape.map((_, index) => index).filter((index) => index !== axis);
  return tf.transpose(input, [...others, axis]);
}

/** Mean and sum of squared deviations of each channel, in float64, over everything added so far. */
class ChannelMoments {
  readonly mean: Float64Array;
  readonly squares: Float64Array;
  #count = 0;

  constructor(channels: number) {
    this.mean = new Float64Array(channels);
    this.squares = new Float64Array(channels);
  }

  /** @param rows [positions, channels] */
  add(rows: Float32Array): void {
    const channels = this.mean.length;
    const count = rows.length / channels;
    const mean = new Float64Array(channels);
    const squares = new Float64Array(channels);
    for (let start = 0; start < rows.length; start += channels) {
      for (let c = 0; c < channels; c++) mean[c] = (mean[c] ?? 0) + (rows[start + c] ?? Number.NaN);
    }
    for (let c = 0; c < channels; c++) mean[c] = (mean[c] ?? 0) / count;
    for (let start = 0; start < rows.length; start += channels) {
      for (let c = 0; c < channels; c++) {
        const deviation = (rows[start + c] ?? Number.NaN) - (mean[c] ?? 0);
        squares[c] = (squares[c] ?? 0) + deviation * deviation;
      }
    }
    const total = this.#count + count;
    for (let c = 0; c < channels; c++) {
      const shift = (mean[c] ?? 0) - (this.mean[c] ?? 0);
      this.mean[c] = (this.mean[c] ?? 0) + (shift * count) / total;
      this.squares[c] = (this.squares[c] ?? 0) + (squares[c] ?? 0) + (shift * shift * this.#count * count) / total;
    }
    this.#count = total;
  }

  /** Divided by n, as a batch is normalised in training; rounded to float32. */
  variance(): Float32Array<ArrayBuffer> {
    return Float32Array.from(this.squares, (sum) => sum / this.#count);
  }
}
