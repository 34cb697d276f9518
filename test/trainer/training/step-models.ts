import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { frozenMask } from "../../../shared/alignment/mask.ts";
import { buildModel } from "../../../shared/models/build.ts";
import { initialWeights } from "../../../shared/models/initialize.ts";
import { assignWeights, weightSpecs } from "../../../shared/models/weights.ts";
import { RandomStream } from "../../../shared/random/stream.ts";
import { startWasmBackend, type WasmTrainingBackend } from "../../../trainer/backend/wasm.ts";
import { createGradientStep } from "../../../trainer/training/gradient-step.ts";
import type { MaskedOptimizer } from "../../../trainer/training/masked-optimizer.ts";
import { createWasmOptimizer, type WasmOptimizer } from "../../../trainer/training/optimizers/wasm-optimizer.ts";
import { createTrainStep } from "../../../trainer/training/train-step.ts";
import type { OracleLayer } from "./mlp-oracle.ts";

/** Small models, batches and steps on the CPU, for the tests of training steps. */

export let backend: WasmTrainingBackend;

/** Once a test file, before everything else. */
export async function startBackend(): Promise<void> {
  backend = await startWasmBackend();
}

export const SHAPE = [3, 4, 1];
export const CLASSES = 5;

export function makeModel(hidden: readonly number[], classes = CLASSES): tfl.LayersModel {
  const model = buildModel({ architecture: "mlp", input: SHAPE, hidden: [...hidden], classes });
  assignWeights(model, initialWeights(model, 3n));
  return model;
}

/** The weights that train, with their masks. */
export function parametersOf(model: tfl.LayersModel, fixedRatio = 0) {
  return weightSpecs(model)
    .filter(({ trainable }) => trainable)
    .map(({ name, variable }) => ({
      name,
      variable,
      frozen: fixedRatio === 0 ? undefined : frozenMask({ seed: 5n, fixedRatio }, name, 0, variable.size),
    }));
}

export function optimizerFor(model: tfl.LayersModel, fixedRatio = 0, momentum = 0): WasmOptimizer {
  return createWasmOptimizer(
    backend,
    { name: "sgd", momentum, nesterov: false, weightDecay: 0 },
    parametersOf(model, fixedRatio),
  );
}

/** A step on the CPU, whose loss comes at once. */
interface PromptStep {
  (...args: Parameters<ReturnType<typeof createTrainStep>>): number;
  dispose(): void;
}

export type MakeStep = (model: tfl.LayersModel, optimizer: MaskedOptimizer, labelSmoothing?: number) => PromptStep;

export const planned: MakeStep = (model, optimizer, labelSmoothing = 0) =>
  createTrainStep(model, optimizer, backend, { labelSmoothing }) as PromptStep;
export const automatic: MakeStep = (model, optimizer, labelSmoothing = 0) =>
  createGradientStep(model, optimizer, backend, { labelSmoothing }) as PromptStep;

export function makeBatch(size: number, classes = CLASSES) {
  const random = new RandomStream(11n, `batch of ${size}`);
  const samples = Array.from({ length: size }, () =>
    Array.from({ length: 12 }, () => Math.fround(2 * random.uniform() - 1)),
  );
  const labels = Array.from({ length: size }, () => Math.floor(random.uniform() * classes));
  return { samples, labels, x: tf.tensor(samples.flat(), [size, ...SHAPE]), y: tf.tensor1d(labels, "int32") };
}

export function oracleLayers(model: tfl.LayersModel): OracleLayer[] {
  return model.layers
    .filter((layer) => layer.getClassName() === "Dense")
    .map((layer) => {
      const [kernel, bias] = layer.getWeights().map((weight) => weight.arraySync());
      return { kernel: kernel as number[][], bias: bias as number[] };
    });
}

/** One step of rate 1 without momentum moves each weight by minus its gradient. */
export function gradientsBySteps(model: tfl.LayersModel, run: (optimizer: WasmOptimizer) => void): number[][] {
  const before = weightSpecs(model).map(({ variable }) => variable.dataSync().slice());
  const optimizer = optimizerFor(model);
  run(optimizer);
  optimizer.dispose();
  return weightSpecs(model).map(({ variable }, index) =>
    [...variable.dataSync()].map((after, element) => (before[index]?.[element] ?? Number.NaN) - after),
  );
}

/** A dense layer of four units. */
export function dense(options: Partial<Parameters<typeof tfl.layers.dense>[0]> = {}): tfl.layers.Layer {
  return tfl.layers.dense({ units: 4, ...options });
}

export function input(): tfl.SymbolicTensor {
  return tfl.input({ shape: [4] });
}

/** Four inputs, then the layers one after another. */
export function chain(...layers: tfl.layers.Layer[]): tfl.LayersModel {
  const start = input();
  const end = layers.reduce((signal, layer) => layer.apply(signal) as tfl.SymbolicTensor, start);
  return tfl.model({ inputs: start, outputs: end });
}
