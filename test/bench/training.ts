/**
 * A training step on the CPU: ours plain and masked, stock tfjs-wasm, and PyTorch on one core where it is installed, in
 * turns within one run, so that a busy machine slows all alike; then two models in parallel against one.
 */
import { fileURLToPath } from "node:url";
import { parallelThroughput } from "./training-parallel.ts";
import { PytorchProcess } from "./pytorch-process.ts";
import { TRAINING_CASES, type TrainingCase } from "./training-cases.ts";
import { TrainingSteps } from "./training-thread.ts";

const WARM_UP = 5;

/** Milliseconds a step: forward, backward and update. Medians over the rounds. */
export interface TrainingFigures {
  readonly name: string;
  readonly plain: number;
  readonly masked: number;
  /** Median over the rounds of masked / plain. */
  readonly maskedOverPlain: number;
  /** Undefined where stock tfjs-wasm cannot train the network; see `stockFailure`. */
  readonly stock: number | undefined;
  readonly stockFailure: string | undefined;
  /** Undefined where PyTorch is not installed. */
  readonly pytorch: number | undefined;
  /** PyTorch's version and BLAS. */
  readonly pytorchNote: string;
  /** Median over the rounds of plain / PyTorch. */
  readonly overPytorch: number | undefined;
}

/** Runs all cases, prints what it finds, and returns the figures. */
export async function benchTraining(print: (line: string) => void = console.log): Promise<TrainingFigures[]> {
  const figures = await benchSteps(print);
  await benchParallel(print);
  return figures;
}

async function benchSteps(print: (line: string) => void): Promise<TrainingFigures[]> {
  const figures: TrainingFigures[] = [];
  for (const [index, task] of TRAINING_CASES.entries()) {
    const figure = await benchCase(task, index);
    figures.push(figure);
    print(describe(figure));
  }
  return figures;
}

/** Pairs of one model alone and two at a time, in turns. */
async function benchParallel(print: (line: string) => void): Promise<void> {
  for (const task of TRAINING_CASES) {
    const gains: number[] = [];
    for (let pair = 0; pair < 3; pair++) {
      const one = await parallelThroughput(task.architecture, task.batch, task.rounds * 2, 1);
      const two = await parallelThroughput(task.architecture, task.batch, task.rounds * 2, 2);
      gains.push(two / one);
    }
    print(
      `${task.name}: two models in two threads do ${median(gains).toFixed(2)} times the steps of one in one thread`,
    );
  }
}

async function benchCase(task: TrainingCase, index: number): Promise<TrainingFigures> {
  const ours = new TrainingSteps(index, "ours");
  const theirs = new TrainingSteps(index, "stock");
  const pytorch = await PytorchProcess.start("pytorch-training.py", [task.pytorch, String(task.batch)]);
  const times = { plain: [] as number[], masked: [] as number[], stock: [] as number[], pytorch: [] as number[] };
  let stockFailure: string | undefined;
  try {
    for (let i = 0; i < WARM_UP; i++) {
      for (const way of ["plain", "masked"] as const) await ours.step(way);
      await pytorch?.run("step");
    }
    await theirs.step("stock").catch((error: Error) => (stockFailure = firstSentence(error.message)));
    const stockEvery = Math.ceil(task.rounds / task.stockSteps);
    for (let round = 0; round < task.rounds; round++) {
      // In alternating order.
      for (const way of round % 2 === 0 ? (["plain", "masked"] as const) : (["masked", "plain"] as const)) {
        times[way].push(await ours.step(way));
      }
      if (pytorch !== undefined) times.pytorch.push(await pytorch.run("step"));
      if (stockFailure === undefined && round % stockEvery === 0) times.stock.push(await theirs.step("stock"));
    }
  } finally {
    pytorch?.stop();
    await Promise.all([ours.stop(), theirs.stop()]);
  }
  return {
    name: task.name,
    plain: median(times.plain),
    masked: median(times.masked),
    maskedOverPlain: median(ratios(times.masked, times.plain)),
    stock: stockFailure === undefined ? median(times.stock) : undefined,
    stockFailure,
    pytorch: pytorch === undefined ? undefined : median(times.pytorch),
    pytorchNote: pytorch?.note ?? "",
    overPytorch: pytorch === undefined ? undefined : median(ratios(times.plain, times.pytorch)),
  };
}

function describe(figures: TrainingFigures): string {
  const { name, plain, masked, maskedOverPlain, stock, stockFailure, pytorch, pytorchNote, overPytorch } = figures;
  return [
    `${name}: plain ${plain.toFixed(2)} ms, masked ${masked.toFixed(2)} ms, masked/plain ${maskedOverPlain.toFixed(3)}`,
    stock === undefined
      ? `stock tfjs-wasm cannot train it (${stockFailure})`
      : `stock tfjs-wasm ${stock.toFixed(1)} ms, ${(stock / plain).toFixed(1)} times ours`,
    pytorch === undefined || overPytorch === undefined
      ? "PyTorch is not installed"
      : `PyTorch ${pytorchNote} on one core ${pytorch.toFixed(1)} ms, ours/PyTorch ${overPytorch.toFixed(2)}`,
  ].join("; ");
}

function firstSentence(text: string): string {
  return text.split(/\.\s|\n/, 1)[0] ?? text;
}

/** Element by element: what ran side by side is compared side by side. */
function ratios(above: readonly number[], below: readonly number[]): number[] {
  return above.map((value, index) => value / (below[index] ?? Number.NaN));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return ((sorted[(sorted.length - 1) >> 1] ?? Number.NaN) + (sorted[sorted.length >> 1] ?? Number.NaN)) / 2;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await benchTraining();
