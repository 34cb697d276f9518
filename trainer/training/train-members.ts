import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Dataset } from "../data/dataset.ts";
import { Failure } from "../failure.ts";
import { checkTask } from "./check-task.ts";
import type { MemberProgress, MemberTask, TrainedMember } from "./member-task.ts";
import type { FromThread, ToThread } from "./thread-messages.ts";

export interface TrainMembersOptions {
  /** Threads at most; the number of available cores by default. Results do not depend on it. */
  readonly threads?: number | undefined;
  readonly onProgress?: ((progress: MemberProgress) => void) | undefined;
  /** Called as each model is ready, in no fixed order. */
  readonly onTrained?: ((member: TrainedMember, task: number) => void) | undefined;
  /**
   * Called for a model whose loss diverged; the others go on, and the result lacks it. Without this, one that diverges
   * fails them all.
   */
  readonly onDiverged?: ((task: number) => void) | undefined;
  /** Stops all threads at once; the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Trains models in parallel worker threads. A thread that finishes takes the next task, of whatever family, so threads
 * idle only at the very end.
 * @returns one result a task that did not diverge, in the order of the tasks
 * @throws Failure `usage` before anything starts, `diverged` or `internal` from the first model that fails (the others are stopped)
 */
export async function trainMembers(
  tasks: readonly MemberTask[],
  { threads = availableParallelism(), onProgress, onTrained, onDiverged, signal }: TrainMembersOptions = {},
): Promise<TrainedMember[]> {
  for (const task of tasks) checkTask(task);
  signal?.throwIfAborted();
  const results: (TrainedMember | undefined)[] = tasks.map(() => undefined);
  const datasets = [...new Set(tasks.map((task) => task.dataset))];
  const workers: Worker[] = [];
  let next = 0;

  const runThread = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL("./member-thread.ts", import.meta.url));
      workers.push(worker);
      const sent = new Set<Dataset>();
      const send = (message: ToThread) => worker.postMessage(message, []);
      const takeTask = () => {
        const index = next++;
        const task = tasks[index];
        if (task === undefined) {
          resolve();
          return;
        }
        const { dataset, ...rest } = task;
        const datasetId = datasets.indexOf(dataset);
        if (!sent.has(dataset)) send({ type: "dataset", id: datasetId, dataset });
        sent.add(dataset);
        send({ type: "task", index, datasetId, task: rest });
      };
      worker.on("message", (message: FromThread) => {
        switch (message.type) {
          case "progress": {
            const label = tasks[message.index]?.label ?? "";
            onProgress?.({ ...message.progress, task: message.index, label });
            break;
          }
          case "done":
            results[message.index] = message.result;
            onTrained?.(message.result, message.index);
            takeTask();
            break;
          case "failed":
            if (message.kind === "diverged" && onDiverged !== undefined) {
              onDiverged(message.index);
              takeTask();
              break;
            }
            reject(new Failure(message.kind, message.message, { cause: message.stack }));
            break;
        }
      });
      worker.on("error", (error) =>
        reject(new Failure("internal", `A training thread failed: ${error.message}`, { cause: error })),
      );
      worker.on("exit", (code) => reject(new Failure("internal", `A training thread ended early (code ${code}).`)));
      takeTask();
    });

  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const count = Math.max(1, Math.min(threads, tasks.length));
    const running = tasks.length === 0 ? [] : Array.from({ length: count }, runThread);
    await Promise.race([Promise.all(running), aborted.promise]);
  } finally {
    signal?.removeEventListener("abort", abort);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return results.filter((result) => result !== undefined);
}
