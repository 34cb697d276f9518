import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { TrainingBackend } from "../backend/training-backend.ts";
import type { MaskedSgd } from "./masked-sgd.ts";
import type { TrainStep } from "./train-step.ts";

/** The training step of any tf.layers model, by tfjs's automatic differentiation. */
export function createGradientStep(model: LayersModel, optimizer: MaskedSgd): TrainStep {
  const { backend, parameters } = optimizer;
  const variables = parameters.map(({ variable }) => variable);
  const classes = model.outputs[0]?.shape.at(-1) ?? 0;
  const step = (inputs: tf.Tensor, labels: tf.Tensor1D, learningRate: number): number => {
    // Before the tape starts: tfjs leaks what a tape has saved when the recorded function throws.
    checkLabels(labels, inputs.shape[0] ?? 0, classes);
    return tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => {
        const logits = model.apply(inputs, { training: true });
        if (Array.isArray(logits) || !(logits instanceof tf.Tensor)) throw new Error("the model has several outputs");
        return softmaxCrossEntropy(backend, logits as tf.Tensor2D, labels);
      }, variables);
      const gradients = new Map<string, tf.Tensor>();
      for (const { name, variable } of parameters) {
        const gradient = grads[variable.name];
        if (gradient !== undefined) gradients.set(name, gradient);
      }
      optimizer.step(gradients, learningRate);
      return value.dataSync()[0] ?? Number.NaN;
    });
  };
  return Object.assign(step, { dispose() {} });
}

/**
 * Mean softmax cross-entropy as one kernel with its gradient, for tfjs's tape.
 * @param logits [batch, classes]
 * @param labels int32 [batch], each in [0, classes)
 * @returns a scalar
 */
function softmaxCrossEntropy(backend: TrainingBackend, logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  const [rows, classes] = logits.shape;
  const loss = tf.customGrad((input, save) => {
    const scores = input as tf.Tensor;
    const gradient = tf.zeros<tf.Rank.R2>([rows, classes]);
    const value = backend.kernels.softmaxCrossEntropy(
      backend.addressOf(scores),
      backend.addressOf(labels),
      backend.addressOf(gradient),
      rows,
      classes,
    );
    (save as tf.GradSaveFunc)([gradient]);
    return {
      value: tf.scalar(value),
      gradFunc: (upstream: tf.Tensor, saved: tf.Tensor[]) => tf.mul(saved[0] ?? gradient, upstream),
    };
  });
  return loss(logits) as tf.Scalar;
}

/** @throws RangeError where the labels are not int32, one a sample, or one is not a class */
function checkLabels(labels: tf.Tensor1D, batch: number, classes: number): void {
  if (labels.dtype !== "int32" || labels.shape.length !== 1 || labels.size !== batch) {
    throw new RangeError(`labels are ${labels.dtype}[${labels.shape}], not int32[${batch}]`);
  }
  const bad = labels.dataSync().findIndex((label) => !(label >= 0 && label < classes));
  if (bad >= 0) throw new RangeError(`the label of sample ${bad} of the batch is not in [0, ${classes})`);
}
