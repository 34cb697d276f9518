import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { TrainingBackend } from "../backend/training-backend.ts";
import type { MaskedOptimizer } from "./masked-optimizer.ts";
import type { TrainStep, TrainStepOptions } from "./train-step.ts";

/**
 * The training step of any tf.layers model, by tfjs's automatic differentiation. The model runs forward once, in training
 * mode: running statistics of batch normalisation move once a step.
 */
export function createGradientStep(
  model: LayersModel,
  optimizer: MaskedOptimizer,
  backend: Pick<TrainingBackend, "name" | "crossEntropy">,
  { labelSmoothing }: TrainStepOptions,
): TrainStep {
  const { parameters } = optimizer;
  const variables = parameters.map(({ variable }) => variable);
  const outputShape = model.outputs[0]?.shape ?? [];
  // A GPU's tensors can be read at once only until they are first used there; tensors never change.
  const checked = new WeakSet<tf.Tensor>();
  const step = (inputs: tf.Tensor, labels: tf.Tensor, learningRate: number): number | Promise<number> => {
    // Before the tape starts: tfjs leaks what a tape has saved when the recorded function throws.
    checkForm(labels, inputs.shape[0] ?? 0, outputShape);
    if (!checked.has(labels)) checkClasses(labels, outputShape.at(-1) ?? 0);
    checked.add(labels);
    const loss = tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => {
        const logits = model.apply(inputs, { training: true });
        if (Array.isArray(logits) || !(logits instanceof tf.Tensor)) throw new Error("the model has several outputs");
        // One row a sample, or a position of one.
        const rows: tf.Tensor2D = tf.reshape(logits, [labels.size, -1]);
        return backend.crossEntropy(rows, tf.reshape(labels, [labels.size]), labelSmoothing);
      }, variables);
      const gradients = new Map<string, tf.Tensor>();
      for (const { name, variable } of parameters) {
        const gradient = grads[variable.name];
        if (gradient !== undefined) gradients.set(name, gradient);
      }
      optimizer.step(gradients, learningRate);
      return value;
    });
    return backend.name === "wasm" ? readNow(loss) : readLater(loss);
  };
  return Object.assign(step, { dispose() {} });
}

function readNow(loss: tf.Scalar): number {
  const value = loss.dataSync()[0] ?? Number.NaN;
  loss.dispose();
  return value;
}

async function readLater(loss: tf.Scalar): Promise<number> {
  try {
    return (await loss.data())[0] ?? Number.NaN;
  } finally {
    loss.dispose();
  }
}

/**
 * @param outputShape [null, classes] or [null, length, classes]
 * @throws RangeError where the labels are not int32, one a row of logits
 */
function checkForm(labels: tf.Tensor, batch: number, outputShape: readonly (number | null)[]): void {
  const rows = [batch, ...outputShape.slice(1, -1)];
  // A length that the model leaves open is the labels' own.
  const fits = labels.rank === rows.length && rows.every((size, axis) => size === null || size === labels.shape[axis]);
  if (labels.dtype === "int32" && fits) return;
  throw new RangeError(`labels are ${labels.dtype}[${labels.shape}], not int32[${rows.map((size) => size ?? "any")}]`);
}

/** @throws RangeError where a label is not a class */
function checkClasses(labels: tf.Tensor, classes: number): void {
  const bad = labels.dataSync().findIndex((label) => !(label >= 0 && label < classes));
  if (bad < 0) return;
  const sample = Math.floor(bad / (labels.size / (labels.shape[0] ?? 1)));
  throw new RangeError(`the label of sample ${sample} of the batch is not in [0, ${classes})`);
}
