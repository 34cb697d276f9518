import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { knownDimension, singleShape, singleTensor } from "./single-input.ts";

/** Puts a learned token before the others: [batch, n, width] to [batch, n + 1, width]. */
export class ClassToken extends tfl.layers.Layer {
  static readonly className = "EdgefuseClassToken";
  #token: tfl.layers.Layer["weights"][number] | undefined;

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const width = knownDimension(singleShape(inputShape), -1);
    this.#token = this.addWeight("embedding", [width], "float32", tfl.initializers.zeros());
    this.built = true;
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const shape = singleShape(inputShape);
    return [shape[0] ?? null, knownDimension(shape, 1) + 1, knownDimension(shape, 2)];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      if (this.#token === undefined) throw new Error(`${this.name} is not built`);
      const tokens = singleTensor(inputs);
      const [batch = 0, , width = 0] = tokens.shape;
      return tf.concat([tf.add(tf.zeros([batch, 1, width]), this.#token.read()), tokens], 1);
    });
  }
}
tf.serialization.registerClass(ClassToken);

/** What became of the first token: [batch, n, width] to [batch, width]. */
export class FirstToken extends tfl.layers.Layer {
  static readonly className = "EdgefuseFirstToken";

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const shape = singleShape(inputShape);
    return [shape[0] ?? null, knownDimension(shape, 2)];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const tokens = singleTensor(inputs);
      const [batch = 0, , width = 0] = tokens.shape;
      return tf.reshape(tf.slice(tokens, [0, 0, 0], [batch, 1, width]), [batch, width]);
    });
  }
}
tf.serialization.registerClass(FirstToken);
