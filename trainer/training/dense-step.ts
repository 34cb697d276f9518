import type * as tf from "@tensorflow/tfjs-core";
import type { WasmTrainingBackend } from "../backend/training-backend.ts";
import type { DenseLayer, DensePlan } from "./dense-plan.ts";
import type { WasmOptimizer } from "./optimizers/wasm-optimizer.ts";
import type { TrainStep, TrainStepOptions } from "./train-step.ts";

const FLOAT = Float32Array.BYTES_PER_ELEMENT;

/** Addresses of one layer's arrays that live from step to step. */
interface LayerBuffers {
  readonly kernelGradient: number;
  /** 0 where the layer has no bias. */
  readonly biasGradient: number;
  /** [batch, units]: what the layer returned, after ReLU. */
  readonly output: number;
  /** [batch, units]: the loss's derivative with respect to `output`. */
  readonly outputGradient: number;
}

/**
 * The training step of a dense network as a fixed sequence of kernel calls on arrays that are allocated once: no
 * tensors, no tape, no allocation. On small networks tfjs's bookkeeping would cost as much as the arithmetic.
 */
export function createDenseStep(
  plan: DensePlan,
  optimizer: WasmOptimizer,
  backend: WasmTrainingBackend,
  { labelSmoothing }: TrainStepOptions,
): TrainStep {
  const { kernels } = backend;
  const inputSize = plan[0]?.inputs ?? 0;
  const classes = plan.at(-1)?.units ?? 0;
  const weightGradients = allocateWeightGradients(plan, optimizer, backend);
  let activations: Activations | undefined;

  const step = (inputs: tf.Tensor, labels: tf.Tensor, learningRate: number): number => {
    const batch = checkBatch(inputs, labels, inputSize);
    if (activations === undefined || activations.batch < batch) {
      activations?.free();
      activations = allocateActivations(plan, backend, batch);
    }
    const buffers = plan.map((layer, index) => layerBuffers(layer, index, weightGradients, activations));

    let signal = backend.addressOf(inputs);
    for (const [index, { kernel, bias, inputs: depth, units: columns, relu }] of plan.entries()) {
      const { output } = at(buffers, index);
      const size = { rows: batch, columns, depth };
      const biasAddress = bias === undefined ? 0 : backend.addressOf(bias.variable);
      kernels.product(signal, false, backend.addressOf(kernel.variable), false, output, size, biasAddress, relu);
      signal = output;
    }

    const logitsGradient = at(buffers, plan.length - 1).outputGradient;
    const labelAddress = backend.addressOf(labels);
    const loss = kernels.softmaxCrossEntropy(signal, labelAddress, logitsGradient, batch, classes, labelSmoothing);

    for (let index = plan.length - 1; index >= 0; index--) {
      const { kernel, inputs: depth, units, relu } = at(plan, index);
      const { output, outputGradient, kernelGradient, biasGradient } = at(buffers, index);
      if (relu || biasGradient !== 0) {
        kernels.reluBiasGradient(outputGradient, relu ? output : 0, biasGradient, batch, units);
      }
      const below = index === 0 ? undefined : at(buffers, index - 1);
      const input = below?.output ?? backend.addressOf(inputs);
      const kernelSize = { rows: depth, columns: units, depth: batch };
      kernels.product(input, true, outputGradient, false, kernelGradient, kernelSize, 0, false);
      if (below !== undefined) {
        const inputSizes = { rows: batch, columns: depth, depth: units };
        const weights = backend.addressOf(kernel.variable);
        kernels.product(outputGradient, false, weights, true, below.outputGradient, inputSizes, 0, false);
      }
    }
    optimizer.stepAt(weightGradients, learningRate);
    return loss;
  };

  return Object.assign(step, {
    dispose() {
      activations?.free();
      activations = undefined;
      for (const address of weightGradients.values()) kernels.heap.free(address);
      weightGradients.clear();
    },
  });
}

/** Outputs and their gradients for batches up to `batch`. */
interface Activations {
  readonly batch: number;
  readonly outputs: readonly number[];
  readonly gradients: readonly number[];
  free(): void;
}

function allocateActivations(plan: DensePlan, { kernels: { heap } }: WasmTrainingBackend, batch: number): Activations {
  const outputs = plan.map(({ units }) => heap.allocate(FLOAT * batch * units));
  const gradients = plan.map(({ units }) => heap.allocate(FLOAT * batch * units));
  return {
    batch,
    outputs,
    gradients,
    free: () => [...outputs, ...gradients].forEach((address) => heap.free(address)),
  };
}

/** A gradient for every weight of the plan; the optimizer must hold exactly these. */
function allocateWeightGradients(
  plan: DensePlan,
  { parameters }: WasmOptimizer,
  backend: WasmTrainingBackend,
): Map<string, number> {
  const weights = plan.flatMap(({ kernel, bias }) => (bias === undefined ? [kernel] : [kernel, bias]));
  for (const { name, variable } of parameters) {
    if (!weights.some((weight) => weight.name === name && weight.variable === variable)) {
      throw new RangeError(`the optimizer's ${name} is not a weight of the model`);
    }
  }
  return new Map(weights.map(({ name, variable }) => [name, backend.kernels.heap.allocate(FLOAT * variable.size)]));
}

function layerBuffers(
  { kernel, bias }: DenseLayer,
  index: number,
  weightGradients: ReadonlyMap<string, number>,
  activations: Activations | undefined,
): LayerBuffers {
  return {
    kernelGradient: weightGradients.get(kernel.name) ?? 0,
    biasGradient: bias === undefined ? 0 : (weightGradients.get(bias.name) ?? 0),
    output: at(activations?.outputs ?? [], index),
    outputGradient: at(activations?.gradients ?? [], index),
  };
}

/** @returns the batch size */
function checkBatch(inputs: tf.Tensor, labels: tf.Tensor, inputSize: number): number {
  const batch = inputs.shape[0] ?? 0;
  if (batch === 0 || inputs.size !== batch * inputSize || inputs.dtype !== "float32") {
    throw new RangeError(`inputs are ${inputs.dtype}[${inputs.shape}], not float32 with ${inputSize} values a sample`);
  }
  if (labels.shape.length !== 1 || labels.size !== batch || labels.dtype !== "int32") {
    throw new RangeError(`labels are ${labels.dtype}[${labels.shape}], not int32[${batch}]`);
  }
  return batch;
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`no layer ${index}`);
  return item;
}
