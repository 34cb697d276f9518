import { parentPort, workerData } from "node:worker_threads";
import type { ChosenBackend } from "../backend/choose-backend.ts";
import type { TrainingBackend } from "../backend/training-backend.ts";
import { asFailure } from "../failure.ts";
import { StoppedEarly } from "./member-surroundings.ts";
import { fileStateStore } from "./state-file.ts";
import { describeTask } from "./task-description.ts";
import type { FromThread, ThreadData, ToThread } from "./thread-messages.ts";
import { trainMember } from "./train-member.ts";

/** Entry of a worker thread: trains one task after another, as they are sent. */
const port = parentPort;
if (port === null) throw new Error("member-thread.ts runs as a worker thread");

const { backend: chosen, stop } = workerData as ThreadData;
const stopped = new Int32Array(stop);
const post = (message: FromThread, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

/** Datasets sent so far; tasks name them by number, so that each is copied to a thread once. */
const datasets = new Map<number, Extract<ToThread, { type: "dataset" }>>();

port.on("message", (message: ToThread) => {
  switch (message.type) {
    case "dataset":
      datasets.set(message.id, message);
      break;
    case "task":
      void run(message);
      break;
    case "recorded":
      answered();
      break;
    case "end":
      // Nobody is left to answer; a state that waits to be saved still is.
      answered();
      void end();
      break;
  }
});

async function run({ index, task, datasetId, state, keepBest }: Extract<ToThread, { type: "task" }>): Promise<void> {
  try {
    const sent = datasets.get(datasetId);
    if (sent === undefined) throw new Error(`dataset ${datasetId} was not sent`);
    const { dataset, data } = sent;
    const backend = await startBackend(chosen);
    const whole = { ...task, dataset };
    const description = describeTask(whole, data, backend.name);
    const result = await trainMember(whole, backend, {
      now: () => performance.now(),
      onProgress: (progress) => post({ type: "progress", index, progress }),
      onMetrics: (metrics) => post({ type: "metrics", index, metrics }),
      metricsRecorded: () => ask(index),
      onResumed: (step) => post({ type: "resumed", index, step }),
      stop: () => Atomics.load(stopped, 0) !== 0,
      state: state === undefined ? undefined : fileStateStore(state.path, description, keepBest),
      checkpointEvery: state?.every,
      keepBest,
      data,
    });
    post({ type: "done", index, result }, [result.file.buffer, ...(result.best ? [result.best.file.buffer] : [])]);
  } catch (error) {
    if (error instanceof StoppedEarly) {
      const { step, steps, saved } = error;
      post({ type: "stopped", index, step, steps, saved });
      return;
    }
    const { kind, message, stack } = asFailure(error);
    post({ type: "failed", index, kind, message, stack: error instanceof Error ? error.stack : stack });
  }
}

/** What waits for the main thread's word that it has written the metrics. */
let answered: () => void = () => undefined;

function ask(index: number): Promise<void> {
  return new Promise((resolve) => {
    answered = resolve;
    post({ type: "saving", index });
  });
}

/** Only the backend that is used is loaded. */
async function startBackend(choice: ChosenBackend): Promise<TrainingBackend> {
  switch (choice.name) {
    case "wasm":
      return (await import("../backend/wasm.ts")).startWasmBackend();
    case "webgpu":
      return (await import("../backend/webgpu.ts")).startWebgpuBackend({ allowSoftware: choice.allowSoftware });
  }
}

/** Lets the GPU go before the thread ends. */
async function end(): Promise<void> {
  if (chosen.name === "webgpu") await (await import("../backend/webgpu.ts")).stopWebgpuBackend();
  port?.close();
}
