import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { singleShape, singleTensor } from "./single-input.ts";

type LayerWeight = tfl.layers.Layer["weights"][number];
type Arguments = ConstructorParameters<typeof tfl.layers.Layer>[0] & {
  readonly vocabulary: number;
  readonly width: number;
};

/**
 * One row of a table for each token: [batch, length] to [batch, length, width]. Tokens may come as float32.
 *
 * The gradient adds rows with `UnsortedSegmentSum` where the backend has it, and is a product with the one-hot tokens
 * elsewhere.
 */
export class TokenEmbedding extends tfl.layers.Layer {
  static readonly className = "EdgefuseTokenEmbedding";
  readonly #vocabulary: number;
  readonly #width: number;
  #table: LayerWeight | undefined;

  constructor(options: Arguments) {
    super(options);
    this.#vocabulary = options.vocabulary;
    this.#width = options.width;
  }

  override build(): void {
    const shape = [this.#vocabulary, this.#width];
    this.#table = this.addWeight("embedding", shape, "float32", tfl.initializers.zeros());
    this.built = true;
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return [...singleShape(inputShape), this.#width];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const tokens = singleTensor(inputs);
      if (this.#table === undefined) throw new Error(`${this.name} is not built`);
      const rows = embed(this.#table.read(), tf.cast(tf.reshape(tokens, [tokens.size]), "int32"));
      return tf.reshape(rows, [...tokens.shape, this.#width]);
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), vocabulary: this.#vocabulary, width: this.#width };
  }
}
tf.serialization.registerClass(TokenEmbedding);

/**
 * @param table [vocabulary, width]
 * @param tokens int32 [rows]
 * @returns [rows, width]
 */
function embed(table: tf.Tensor, tokens: tf.Tensor): tf.Tensor {
  const [vocabulary = 0] = table.shape;
  const operation = tf.customGrad((...values) => {
    const [rows, save] = values as unknown as [tf.Tensor, tf.GradSaveFunc];
    save([tokens]);
    const gradFunc = (upstream: tf.Tensor, [saved = tokens]: tf.Tensor[]): tf.Tensor => {
      const adds = tf.getKernel(tf.UnsortedSegmentSum, tf.getBackend());
      if (adds) return tf.unsortedSegmentSum(upstream, saved as tf.Tensor1D, vocabulary);
      const chosen = tf.oneHot(saved as tf.Tensor1D, vocabulary, 1, 0, "float32");
      return tf.matMul(chosen, upstream, true, false);
    };
    return { value: tf.gather(rows, tokens as tf.Tensor1D), gradFunc };
  });
  return operation(table);
}
