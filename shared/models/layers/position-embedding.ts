import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { knownDimension, singleShape, singleTensor } from "./single-input.ts";

/** Adds a learned vector to each position: [batch, length, width] to the same. */
export class PositionEmbedding extends tfl.layers.Layer {
  static readonly className = "EdgefusePositionEmbedding";
  #table: tfl.layers.Layer["weights"][number] | undefined;

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const shape = singleShape(inputShape);
    const size = [knownDimension(shape, -2), knownDimension(shape, -1)];
    this.#table = this.addWeight("embedding", size, "float32", tfl.initializers.zeros());
    this.built = true;
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    if (this.#table === undefined) throw new Error(`${this.name} is not built`);
    return tf.add(singleTensor(inputs), this.#table.read());
  }
}
tf.serialization.registerClass(PositionEmbedding);
