import * as tfl from "@tensorflow/tfjs-layers";
import * as z from "zod";

/**
 * A multilayer perceptron: flatten where the samples are not flat, then dense layers with ReLU between, then dense to the logits.
 *
 * Weights: `hidden_0/kernel` [in, out], `hidden_0/bias` [out], …, `output/kernel`, `output/bias`.
 */
export const mlpSchema = z.strictObject({
  architecture: z.literal("mlp"),
  /** Shape of one sample, such as [28, 28, 1]. */
  input: z.array(z.int().min(1).max(65_536)).min(1).max(4),
  /** Units of each hidden layer. */
  hidden: z.array(z.int().min(1).max(65_536)).max(256),
  classes: z.int().min(2).max(65_536),
});

export type Mlp = z.infer<typeof mlpSchema>;

export function buildMlp({ input, hidden, classes }: Mlp): tfl.LayersModel {
  // tf.layers flattens nothing that is flat already.
  const flatten = input.length > 1 ? [tfl.layers.flatten({ inputShape: input, name: "flatten" })] : [];
  const dense = [...hidden, classes].map((units, index) =>
    tfl.layers.dense({
      units,
      name: index < hidden.length ? `hidden_${index}` : "output",
      activation: index < hidden.length ? "relu" : "linear",
      kernelInitializer: "zeros",
      ...(index === 0 && input.length === 1 ? { inputShape: input } : {}),
    }),
  );
  return tfl.sequential({ name: "mlp", layers: [...flatten, ...dense] });
}
