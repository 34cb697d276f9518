import { Worker } from "node:worker_threads";
import type { Dataset } from "../data/dataset.ts";
import { asFailure, Failure } from "../failure.ts";
import type { MemberTask } from "./member-task.ts";
import type { DataDigests } from "./task-description.ts";
import type { FromThread, StateOptions, ThreadData, ToThread } from "./thread-messages.ts";

/** How a task ended. */
export type TaskEnd = Extract<FromThread, { type: "done" | "stopped" | "failed" }>;

export interface ThreadTask {
  readonly index: number;
  readonly task: MemberTask;
  readonly data: DataDigests;
  readonly state: StateOptions | undefined;
}

/** A worker thread that trains one task at a time. */
export class TrainingThread {
  readonly #worker: Worker;
  readonly #datasets = new Map<Dataset, number>();
  readonly #ended: Promise<void>;
  #isOver = false;

  constructor(workerData: ThreadData) {
    this.#worker = new Worker(new URL("./member-thread.ts", import.meta.url), { workerData });
    this.#ended = new Promise((resolve) => {
      this.#worker.once("exit", () => {
        this.#isOver = true;
        resolve();
      });
    });
  }

  /**
   * Trains a task.
   * @param hear told of everything before the end; what it throws rejects the promise
   * @throws Failure `internal`, `out-of-memory` where the thread itself breaks
   */
  train(
    { index, task, data, state }: ThreadTask,
    keepBest: boolean,
    hear: (message: FromThread) => void,
  ): Promise<TaskEnd> {
    const worker = this.#worker;
    return new Promise<TaskEnd>((resolve, reject) => {
      const end = (finish: () => void) => {
        worker.off("message", onMessage);
        worker.off("error", onError);
        worker.off("exit", onExit);
        finish();
      };
      const send = (message: ToThread) => worker.postMessage(message, []);
      const onMessage = (message: FromThread) => {
        try {
          hear(message);
        } catch (error) {
          end(() => reject(error));
          return;
        }
        // Messages come in order: whatever was sent before has been heard.
        if (message.type === "saving") send({ type: "recorded" });
        if (message.type === "done" || message.type === "stopped" || message.type === "failed") {
          end(() => resolve(message));
        }
      };
      const onError = (error: unknown) => end(() => reject(threadFailure(task, error)));
      const onExit = (code: number) =>
        end(() => reject(new Failure("internal", `A training thread ended early (code ${code}).`)));
      if (this.#isOver) {
        onExit(0);
        return;
      }
      worker.on("message", onMessage);
      worker.on("error", onError);
      worker.on("exit", onExit);

      const { dataset, ...rest } = task;
      let datasetId = this.#datasets.get(dataset);
      if (datasetId === undefined) {
        datasetId = this.#datasets.size;
        this.#datasets.set(dataset, datasetId);
        send({ type: "dataset", id: datasetId, dataset, data });
      }
      send({ type: "task", index, datasetId, task: rest, state, keepBest });
    });
  }

  /** Lets the thread end by itself, a GPU be let go first; one that is stuck is ended. */
  async end(): Promise<void> {
    if (this.#isOver) return;
    this.#worker.postMessage({ type: "end" } satisfies ToThread, []);
    const stuck = setTimeout(() => void this.#worker.terminate(), END_PATIENCE);
    await this.#ended;
    clearTimeout(stuck);
  }
}

/** Milliseconds for a thread to end by itself. */
const END_PATIENCE = 5_000;

function threadFailure({ label, regime }: MemberTask, error: unknown): Failure {
  const { kind, message } = asFailure(error);
  if (kind !== "out-of-memory") {
    return new Failure("internal", `A training thread failed: ${message}`, { cause: error });
  }
  return new Failure(
    "out-of-memory",
    `${label} does not fit into memory (${message}); lower --batch (now ${regime.batch}), --threads, or take a smaller model.`,
    { cause: error },
  );
}
