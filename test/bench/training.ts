/**
 * A training step on the CPU: ours against stock tfjs-wasm, and masked against plain, in one process.
 *
 * Stock and ours run in worker threads of their own, one after the other, because tfjs has one kernel registry a thread.
 */
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import * as tf from "@tensorflow/tfjs-core";
import { frozenMask } from "../../shared/alignment/mask.ts";
import type { Architecture } from "../../shared/models/architecture.ts";
import { buildModel } from "../../shared/models/build.ts";
import { initialWeights } from "../../shared/models/initialize.ts";
import { assignWeights, weightSpecs } from "../../shared/models/weights.ts";
import { startWasmBackend } from "../../trainer/backend/wasm.ts";
import { MaskedSgd } from "../../trainer/training/masked-sgd.ts";
import { createTrainStep } from "../../trainer/training/train-step.ts";

const MOMENTUM = 0.9;
const RATE = 0.01;
const FIXED_RATIO = 0.4;

interface Case {
  readonly name: string;
  readonly hidden: readonly number[];
  readonly batch: number;
  readonly stockSteps: number;
  /** Pairs of one plain and one masked step. */
  readonly pairs: number;
}

const CASES: readonly Case[] = [
  { name: "MLP 784-1024-1024-10, batch 128", hidden: [1024, 1024], batch: 128, stockSteps: 5, pairs: 60 },
  { name: "MLP 784-6x128-10, batch 100", hidden: Array<number>(6).fill(128), batch: 100, stockSteps: 20, pairs: 600 },
];

/** Milliseconds a step: forward, backward and update. Medians. */
export interface TrainingFigures {
  readonly name: string;
  readonly stock: number;
  readonly plain: number;
  readonly masked: number;
  /** stock / masked */
  readonly speedup: number;
  /** Median over adjacent pairs of masked / plain. */
  readonly maskedOverPlain: number;
}

type Task = { readonly kind: "stock" | "ours"; readonly case: Case };
type Times = { readonly stock: number[] } | { readonly plain: number[]; readonly masked: number[] };

/** Runs all cases, prints a line each, and returns the figures. */
export async function benchTraining(print: (line: string) => void = console.log): Promise<TrainingFigures[]> {
  const figures: TrainingFigures[] = [];
  for (const task of CASES) {
    const theirs = await inThread({ kind: "stock", case: task });
    const ours = await inThread({ kind: "ours", case: task });
    if (!("stock" in theirs) || !("plain" in ours)) throw new Error("the bench threads answered out of turn");
    const masked = median(ours.masked);
    const figure = {
      name: task.name,
      stock: median(theirs.stock),
      plain: median(ours.plain),
      masked,
      speedup: median(theirs.stock) / masked,
      maskedOverPlain: median(ours.masked.map((time, index) => time / (ours.plain[index] ?? Number.NaN))),
    };
    figures.push(figure);
    print(
      `${figure.name}: stock ${figure.stock.toFixed(1)} ms, plain ${figure.plain.toFixed(2)} ms, ` +
        `masked ${figure.masked.toFixed(2)} ms; ${figure.speedup.toFixed(1)}x stock, ` +
        `masked/plain ${figure.maskedOverPlain.toFixed(3)}`,
    );
  }
  return figures;
}

function inThread(task: Task): Promise<Times> {
  const { promise, resolve, reject } = Promise.withResolvers<Times>();
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: task });
  worker.once("message", resolve);
  worker.once("error", reject);
  worker.once("exit", (code) => reject(new Error(`a bench thread ended with code ${code}`)));
  return promise;
}

function prepare({ hidden, batch }: Case) {
  const architecture: Architecture = { architecture: "mlp", input: [28, 28, 1], hidden: [...hidden], classes: 10 };
  const model = buildModel(architecture);
  assignWeights(model, initialWeights(model, 1n));
  const inputs = tf.randomUniform([batch, 28, 28, 1], 0, 1, "float32", 1);
  const labels = tf.tensor1d(
    Array.from({ length: batch }, (_, index) => index % 10),
    "int32",
  );
  return { model, inputs, labels };
}

/** The step a tfjs user would write: `tf.train.momentum` on softmax cross-entropy. */
async function stockTimes(task: Case): Promise<Times> {
  await import("@tensorflow/tfjs-backend-wasm");
  await tf.setBackend("wasm");
  const { model, inputs, labels } = prepare(task);
  const targets = tf.oneHot(labels, 10);
  const optimizer = tf.train.momentum(RATE, MOMENTUM);
  const step = () => {
    const loss = optimizer.minimize(
      () => tf.losses.softmaxCrossEntropy(targets, model.apply(inputs, { training: true }) as tf.Tensor) as tf.Scalar,
      true,
    );
    loss?.dataSync();
    loss?.dispose();
  };
  step();
  return { stock: Array.from({ length: task.stockSteps }, () => timed(step)) };
}

async function ourTimes(task: Case): Promise<Times> {
  const backend = await startWasmBackend();
  const steps = [0, FIXED_RATIO].map((fixedRatio) => {
    const { model, inputs, labels } = prepare(task);
    const parameters = weightSpecs(model).map(({ name, variable }) => ({
      name,
      variable,
      frozen: fixedRatio === 0 ? undefined : frozenMask({ seed: 1n, fixedRatio }, name, 0, variable.size),
    }));
    const step = createTrainStep(model, new MaskedSgd(backend, parameters, { momentum: MOMENTUM }));
    return () => step(inputs, labels, RATE);
  });
  const [plainStep, maskedStep] = steps;
  if (plainStep === undefined || maskedStep === undefined) throw new Error("two steps were made");
  for (let i = 0; i < 20; i++) steps.forEach((step) => step());
  const plain: number[] = [];
  const masked: number[] = [];
  // Side by side and in alternating order, so that a busy machine slows both alike.
  for (let i = 0; i < task.pairs; i++) {
    if (i % 2 === 0) plain.push(timed(plainStep));
    masked.push(timed(maskedStep));
    if (i % 2 === 1) plain.push(timed(plainStep));
  }
  return { plain, masked };
}

function timed(run: () => unknown): number {
  const begin = performance.now();
  run();
  return performance.now() - begin;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return ((sorted[(sorted.length - 1) >> 1] ?? Number.NaN) + (sorted[sorted.length >> 1] ?? Number.NaN)) / 2;
}

if (!isMainThread && parentPort !== null) {
  const task = workerData as Task;
  const times = await (task.kind === "stock" ? stockTimes(task.case) : ourTimes(task.case));
  parentPort.postMessage(times, []);
} else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await benchTraining();
}
