import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { knownDimension, singleShape, singleTensor } from "./single-input.ts";

type Arguments = ConstructorParameters<typeof tfl.layers.Layer>[0] & { readonly channels: number };

/** Adds zero channels behind those of the input, up to `channels`: [batch, h, w, c] to [batch, h, w, channels]. */
export class PadChannels extends tfl.layers.Layer {
  static readonly className = "EdgefusePadChannels";
  readonly #channels: number;

  constructor(options: Arguments) {
    super(options);
    this.#channels = options.channels;
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return [...singleShape(inputShape).slice(0, -1), this.#channels];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const input = singleTensor(inputs);
      const missing = this.#channels - knownDimension(input.shape, -1);
      return tf.pad(input, [...input.shape.slice(1).map((): [number, number] => [0, 0]), [0, missing]]);
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), channels: this.#channels };
  }
}
tf.serialization.registerClass(PadChannels);
