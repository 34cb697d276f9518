import * as tf from "@tensorflow/tfjs-core";
import { withHeapLimit } from "../../kernels/heap-limit.ts";
import { Problem } from "../../problem.ts";
import { elementCount } from "../../safetensors/index.ts";

/** Bytes that the intermediate results of two samples may take while a model is tried out. */
const MOST_BYTES = 32 * 2 ** 20;

/**
 * Tries a model on one sample and on two, of zeros: so it is known whether TF.js and the backend have everything that it
 * takes, before anyone relies on it.
 * @returns shape of one sample's output, and about the most bytes that its intermediate results take
 * @throws Problem `unsupported-topology` with what failed; `too-large-for-isolate` before memory is taken
 */
export function tryOut(
  predict: (x: tf.Tensor) => tf.Tensor,
  inputShape: readonly number[],
): { readonly outputShape: readonly number[]; readonly activationBytes: number } {
  const inputBytes = 2 * 4 * elementCount(inputShape);
  if (!(inputBytes <= MOST_BYTES)) {
    throw new Problem("too-large-for-isolate", `A sample is [${inputShape}], which is too large to be evaluated.`, {
      neededBytes: inputBytes,
      limitBytes: MOST_BYTES,
    });
  }
  const run = (samples: number) => tf.tidy(() => predict(tf.zeros([samples, ...inputShape])).shape);
  let peak = 0;
  let shapes: readonly [readonly number[], readonly number[]];
  try {
    shapes = withHeapLimit(MOST_BYTES, (peakBytes) => {
      const both = [run(1), run(2)] as const;
      peak = peakBytes();
      return both;
    });
  } catch (error) {
    if (error instanceof Problem) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Problem("unsupported-topology", `TF.js does not evaluate this model: ${reason.slice(0, 300)}`);
  }
  const [one, two] = shapes;
  if (one[0] !== 1 || two[0] !== 2 || one.length < 2 || one.slice(1).join() !== two.slice(1).join()) {
    throw new Problem(
      "unsupported-topology",
      `The output is [${one}] for one sample and [${two}] for two; it must have a row for each.`,
    );
  }
  const outputShape = one.slice(1);
  // Where the backend does not tell: at least what goes in and comes out.
  const least = 4 * (elementCount(inputShape) + elementCount(outputShape));
  return { outputShape, activationBytes: Math.max(Math.ceil(peak / 2), least) };
}
