/**
 * Training steps in a thread of their own, one on request: tfjs has one kernel registry a thread, so stock kernels and
 * ours need two.
 */
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import * as tf from "@tensorflow/tfjs-core";
import { frozenMask } from "../../shared/alignment/mask.ts";
import { assignWeights, buildModel, initialWeights, sampleShapeOf, weightSpecs } from "../../shared/models/index.ts";
import { startWasmBackend } from "../../trainer/backend/wasm.ts";
import { sgd } from "../../trainer/training/regime.ts";
import { createTrainStep } from "../../trainer/training/train-step.ts";
import { TRAINING_CASES, type TrainingCase } from "./training-cases.ts";

const MOMENTUM = 0.9;
const RATE = 0.01;
const FIXED_RATIO = 0.4;

/** `plain` and `masked` are ours. */
export type Way = "plain" | "masked" | "stock";
interface Task {
  readonly caseIndex: number;
  readonly engine: "ours" | "stock";
}
type Answer = { readonly milliseconds: number } | { readonly failure: string };

/** A thread that trains one case and times its steps. */
export class TrainingSteps {
  readonly #worker: Worker;

  constructor(caseIndex: number, engine: Task["engine"]) {
    const data: Task = { caseIndex, engine };
    this.#worker = new Worker(fileURLToPath(import.meta.url), { workerData: data, stderr: true });
  }

  /**
   * @returns milliseconds of one step: forward, backward, update
   * @throws Error where the engine cannot train the network
   */
  async step(way: Way): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const ended = (code: number) => reject(new Error(`a bench thread ended with code ${code}`));
    this.#worker.once("message", resolve).once("error", reject).once("exit", ended);
    this.#worker.postMessage(way, []);
    const answer = await promise;
    this.#worker.off("error", reject).off("exit", ended);
    if ("failure" in answer) throw new Error(answer.failure);
    return answer.milliseconds;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

function prepare({ architecture, batch }: TrainingCase) {
  const model = buildModel(architecture);
  assignWeights(model, initialWeights(model, 1n));
  const inputs = tf.randomUniform([batch, ...sampleShapeOf(architecture)], 0, 1, "float32", 1);
  const labels = tf.tensor1d(
    Array.from({ length: batch }, (_, index) => index % architecture.classes),
    "int32",
  );
  return { model, inputs, labels };
}

/** The step a tfjs user would write: `tf.train.momentum` on softmax cross-entropy. */
async function stockSteps(task: TrainingCase): Promise<(way: Way) => void> {
  await import("@tensorflow/tfjs-backend-wasm");
  await tf.setBackend("wasm");
  const { model, inputs, labels } = prepare(task);
  const targets = tf.oneHot(labels, task.architecture.classes);
  const optimizer = tf.train.momentum(RATE, MOMENTUM);
  return () => {
    const loss = optimizer.minimize(
      () => tf.losses.softmaxCrossEntropy(targets, model.apply(inputs, { training: true }) as tf.Tensor) as tf.Scalar,
      true,
    );
    loss?.dataSync();
    loss?.dispose();
  };
}

async function ourSteps(task: TrainingCase): Promise<(way: Way) => void> {
  const backend = await startWasmBackend();
  const [plain, masked] = [0, FIXED_RATIO].map((fixedRatio) => {
    const { model, inputs, labels } = prepare(task);
    const parameters = weightSpecs(model)
      .filter(({ trainable }) => trainable)
      .map(({ name, variable }) => ({
        name,
        variable,
        frozen: fixedRatio === 0 ? undefined : frozenMask({ seed: 1n, fixedRatio }, name, 0, variable.size),
      }));
    const optimizer = backend.createOptimizer(sgd(MOMENTUM).optimizer, parameters);
    const step = createTrainStep(model, optimizer, backend, { labelSmoothing: 0 });
    return () => step(inputs, labels, RATE);
  });
  return (way) => (way === "plain" ? plain : masked)?.();
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  const { caseIndex, engine } = workerData as Task;
  const task = TRAINING_CASES[caseIndex];
  if (task === undefined) throw new Error(`no case ${caseIndex}`);
  const steps = engine === "ours" ? ourSteps(task) : stockSteps(task);
  port.on("message", async (way: Way) => {
    let answer: Answer;
    try {
      const run = await steps;
      const begin = performance.now();
      run(way);
      answer = { milliseconds: performance.now() - begin };
    } catch (error) {
      answer = { failure: error instanceof Error ? error.message : String(error) };
    }
    port.postMessage(answer, []);
  });
}
