import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { knownDimension, singleShape, singleTensor } from "./single-input.ts";
import { standardize } from "./standardize.ts";

/** Added to the variance, as PyTorch's norms do. */
const EPSILON = 1e-5;
/** Share of the old running statistics in the new; PyTorch's momentum of 0.1 the other way round. */
const MOMENTUM = 0.9;

type LayerWeight = tfl.layers.Layer["weights"][number];

/** The normalisation layer of a kind, with its weights at 0. */
export function normalization(norm: "layer" | "batch", name: string): tfl.layers.Layer {
  switch (norm) {
    case "layer":
      return new LayerNormalization({ name });
    case "batch":
      return new BatchNormalization({ name });
  }
}

abstract class Normalization extends tfl.layers.Layer {
  protected gamma: LayerWeight | undefined;
  protected beta: LayerWeight | undefined;

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const channels = knownDimension(singleShape(inputShape), -1);
    this.gamma = this.addWeight("gamma", [channels], "float32", tfl.initializers.zeros());
    this.beta = this.addWeight("beta", [channels], "float32", tfl.initializers.zeros());
    this.built = true;
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  protected affine(): { gamma: tf.Tensor; beta: tf.Tensor } {
    if (this.gamma === undefined || this.beta === undefined) throw new Error(`${this.name} is not built`);
    return { gamma: this.gamma.read(), beta: this.beta.read() };
  }
}

/**
 * Layer normalisation over the last axis (Ba et al., arXiv:1607.06450).
 *
 * It has tf.layers' name, weights and configuration, so any TF.js loads it; it is written anew because theirs tiles mean,
 * variance, scale and shift to the size of the input and differentiates through all of it.
 */
class LayerNormalization extends Normalization {
  static readonly className = "LayerNormalization";

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const { gamma, beta } = this.affine();
    return standardize(singleTensor(inputs), gamma, beta, "channels", EPSILON);
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), axis: -1, epsilon: EPSILON, center: true, scale: true };
  }
}

/**
 * Batch normalisation over all axes but the last (Ioffe & Szegedy, arXiv:1502.03167), in tf.layers' name as above.
 *
 * In training it normalises with the batch's mean and variance (divided by n, not n - 1) and moves `moving_mean` and
 * `moving_variance` a tenth of the way towards them; else it uses those two. They are buffers: not trainable, never masked.
 */
class BatchNormalization extends Normalization {
  static readonly className = "BatchNormalization";
  #movingMean: LayerWeight | undefined;
  #movingVariance: LayerWeight | undefined;

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    super.build(inputShape);
    const channels = knownDimension(singleShape(inputShape), -1);
    const buffer = (role: string) =>
      this.addWeight(role, [channels], "float32", tfl.initializers.zeros(), undefined, false);
    this.#movingMean = buffer("moving_mean");
    this.#movingVariance = buffer("moving_variance");
  }

  override call(inputs: tf.Tensor | tf.Tensor[], { training }: { training?: boolean }): tf.Tensor {
    const movingMean = this.#movingMean;
    const movingVariance = this.#movingVariance;
    if (movingMean === undefined || movingVariance === undefined) throw new Error(`${this.name} is not built`);
    return tf.tidy(() => {
      const input = singleTensor(inputs);
      const { gamma, beta } = this.affine();
      if (training !== true) {
        return tf.batchNorm(
          input,
          flat(movingMean.read()),
          flat(movingVariance.read()),
          flat(beta),
          flat(gamma),
          EPSILON,
        );
      }
      return standardize(input, gamma, beta, "positions", EPSILON, (mean, variance) => {
        move(movingMean, mean);
        move(movingVariance, variance);
      });
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), axis: -1, momentum: MOMENTUM, epsilon: EPSILON, center: true, scale: true };
  }
}

const flat = (tensor: tf.Tensor) => tensor as tf.Tensor1D;

function move(weight: LayerWeight, target: tf.Tensor): void {
  const old = weight.read();
  weight.write(tf.add(old, tf.mul(tf.sub(target, old), 1 - MOMENTUM)));
}
