import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { knownDimension, singleShape, singleTensor } from "./single-input.ts";

type LayerWeight = tfl.layers.Layer["weights"][number];
type Arguments = ConstructorParameters<typeof tfl.layers.Layer>[0] & {
  readonly patch: number;
  readonly width: number;
};

/**
 * Cuts an image into square patches and maps each to a token: [batch, h, w, c] to [batch, (h / patch)(w / patch), width],
 * patches in row-major order. The same as a convolution whose stride is its size, as a matrix product, which every
 * backend differentiates fast.
 */
export class PatchEmbedding extends tfl.layers.Layer {
  static readonly className = "EdgefusePatchEmbedding";
  readonly #patch: number;
  readonly #width: number;
  #kernel: LayerWeight | undefined;
  #bias: LayerWeight | undefined;

  constructor(options: Arguments) {
    super(options);
    this.#patch = options.patch;
    this.#width = options.width;
  }

  /** The kernel's rows are a patch's values in row-major order: row, column, channel. */
  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const values = this.#patch ** 2 * knownDimension(singleShape(inputShape), -1);
    this.#kernel = this.addWeight("kernel", [values, this.#width], "float32", tfl.initializers.zeros());
    this.#bias = this.addWeight("bias", [this.#width], "float32", tfl.initializers.zeros());
    this.built = true;
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const [batch, height, width] = singleShape(inputShape);
    const tokens = ((height ?? 0) / this.#patch) * ((width ?? 0) / this.#patch);
    return [batch ?? null, tokens, this.#width];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      if (this.#kernel === undefined || this.#bias === undefined) throw new Error(`${this.name} is not built`);
      const image = singleTensor(inputs);
      const [batch = 0, height = 0, width = 0, channels = 0] = image.shape;
      const side = this.#patch;
      const [rows, columns] = [height / side, width / side];
      const cut = tf.reshape(image, [batch, rows, side, columns, side * channels]);
      const patches = tf.reshape(tf.transpose(cut, [0, 1, 3, 2, 4]), [batch * rows * columns, side * side * channels]);
      const tokens = tf.add(tf.matMul(patches, this.#kernel.read()), this.#bias.read());
      return tf.reshape(tokens, [batch, rows * columns, this.#width]);
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), patch: this.#patch, width: this.#width };
  }
}
tf.serialization.registerClass(PatchEmbedding);
