import { parentPort } from "node:worker_threads";
import { startWasmBackend } from "../backend/wasm.ts";
import { asFailure } from "../failure.ts";
import type { FromThread, ToThread } from "./thread-messages.ts";
import { trainMember } from "./train-member.ts";

/** Entry of a worker thread: trains one task after another, as they are sent. */
const port = parentPort;
if (port === null) throw new Error("member-thread.ts runs as a worker thread");

const post = (message: FromThread, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

/** Datasets sent so far; tasks name them by number, so that each is copied to a thread once. */
const datasets = new Map<number, Extract<ToThread, { type: "dataset" }>["dataset"]>();

port.on("message", (message: ToThread) => {
  switch (message.type) {
    case "dataset":
      datasets.set(message.id, message.dataset);
      break;
    case "task":
      void run(message);
      break;
  }
});

async function run({ index, task, datasetId }: Extract<ToThread, { type: "task" }>): Promise<void> {
  try {
    const dataset = datasets.get(datasetId);
    if (dataset === undefined) throw new Error(`dataset ${datasetId} was not sent`);
    const backend = await startWasmBackend();
    const result = trainMember({ ...task, dataset }, backend, {
      now: () => performance.now(),
      onProgress: (progress) => post({ type: "progress", index, progress }),
    });
    post({ type: "done", index, result }, [result.file.buffer]);
  } catch (error) {
    const { kind, message, stack } = asFailure(error);
    post({ type: "failed", index, kind, message, stack: error instanceof Error ? error.stack : stack });
  }
}
