import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { runOwnKernel } from "../../kernels/own-kernels.ts";
import { singleShape, singleTensor } from "./single-input.ts";

/**
 * The Gaussian error linear unit, x Φ(x), by the error function and not its tanh approximation: PyTorch's and the vision
 * transformer's (Hendrycks & Gimpel, arXiv:1606.08415).
 */
export class Gelu extends tfl.layers.Layer {
  static readonly className = "EdgefuseGelu";

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return gelu(singleTensor(inputs));
  }
}
tf.serialization.registerClass(Gelu);

/** x Φ(x), with the gradient Φ(x) + x φ(x). */
function gelu(input: tf.Tensor): tf.Tensor {
  const operation = tf.customGrad((...values) => {
    const [x, save] = values as unknown as [tf.Tensor, tf.GradSaveFunc];
    save([x]);
    const gradFunc = (upstream: tf.Tensor, [saved]: tf.Tensor[]): tf.Tensor => {
      const at = saved ?? x;
      const own = runOwnKernel("EdgefuseGeluGradient", { dy: upstream, x: at })?.[0];
      if (own !== undefined) return own;
      const density = tf.mul(tf.exp(tf.mul(tf.square(at), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return tf.mul(upstream, tf.add(cumulative(at), tf.mul(at, density)));
    };
    return { value: runOwnKernel("EdgefuseGelu", { x })?.[0] ?? tf.mul(x, cumulative(x)), gradFunc };
  });
  return operation(input);
}

/** Φ(x), the standard normal distribution function. */
function cumulative(x: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(tf.erf(tf.mul(x, Math.SQRT1_2)), 0.5), 0.5);
}
