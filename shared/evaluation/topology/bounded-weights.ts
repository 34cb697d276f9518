import * as tfl from "@tensorflow/tfjs-layers";
import { Problem } from "../../problem.ts";

/** How tf.layers makes every weight of every layer; it is protected, and takes five more arguments. */
interface WeightMaker {
  addWeight(
    this: unknown,
    name: string,
    shape: (number | null)[],
    dtype: unknown,
    initializer: unknown,
    ...rest: unknown[]
  ): tfl.LayerVariable;
}

/**
 * Builds layers whose weights are zero, and no more of them than allowed. A topology is what a stranger wrote: a dense
 * layer of a billion units is one line, and TF.js would fill its weights with random numbers before anyone could look.
 * Replacing the one method that makes weights for as long as building takes, which is synchronous, catches every layer.
 * Where building fails, what was made goes again.
 * @throws Problem `too-large-for-isolate` before the weight that is too much is made
 */
export function boundWeights<Result>(mostElements: number, build: () => Result): Result {
  const prototype = tfl.layers.Layer.prototype as unknown as WeightMaker;
  const original = prototype.addWeight;
  const made: tfl.LayerVariable[] = [];
  let elements = 0;
  prototype.addWeight = function addBounded(name, shape, dtype, _initializer, ...rest) {
    elements += shape.reduce((product: number, dimension) => product * (dimension ?? 0), 1);
    if (!(elements <= mostElements)) {
      throw new Problem(
        "too-large-for-isolate",
        `The weights hold more than ${mostElements} numbers, ${4 * mostElements} bytes; this is the most that is built.`,
        { limitBytes: 4 * mostElements },
      );
    }
    const weight = original.call(this, name, shape, dtype, tfl.initializers.zeros(), ...rest);
    made.push(weight);
    return weight;
  };
  try {
    return build();
  } catch (error) {
    for (const weight of made) weight.dispose();
    throw error;
  } finally {
    prototype.addWeight = original;
  }
}
