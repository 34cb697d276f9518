import { availableParallelism } from "node:os";
import type { ChosenBackend } from "../backend/choose-backend.ts";
import { Failure } from "../failure.ts";
import { checkTask } from "./check-task.ts";
import type { StepMetrics } from "./member-surroundings.ts";
import type { MemberProgress, MemberTask, TrainedMember } from "./member-task.ts";
import { dataDigests } from "./task-description.ts";
import type { FromThread, StateOptions } from "./thread-messages.ts";
import { TrainingThread } from "./training-thread.ts";

export interface TrainMembersOptions {
  /**
   * Threads at most; the number of available cores by default. Results do not depend on it. A GPU trains one model
   * after another, in one thread.
   */
  readonly threads?: number | undefined;
  /** What computes; the CPU by default. */
  readonly backend?: ChosenBackend | undefined;
  /** Where a task's state is kept, so that the run goes on after a stop or a kill. Nothing is saved by default. */
  readonly state?: ((task: number) => StateOptions | undefined) | undefined;
  /** Also give the weights of each model's best epoch. */
  readonly keepBest?: boolean | undefined;
  readonly onProgress?: ((progress: MemberProgress) => void) | undefined;
  /** Every tenth step and every end of an epoch, in the order of the steps. */
  readonly onMetrics?: ((metrics: StepMetrics, task: number) => void) | undefined;
  /** Called for a model that goes on from a saved state. */
  readonly onResumed?: ((step: number, task: number) => void) | undefined;
  /** Called as each model is ready, in no fixed order. What it throws ends the run as a failing model does. */
  readonly onTrained?: ((member: TrainedMember, task: number) => void | Promise<void>) | undefined;
  /**
   * Called for a model whose loss diverged; the others go on, and the result lacks it. Without this, one that diverges
   * fails them all.
   */
  readonly onDiverged?: ((task: number, failure: Failure) => void | Promise<void>) | undefined;
  /** Called for each model that was stopped before its end. */
  readonly onStopped?: ((stop: StoppedMember) => void) | undefined;
  /** Stops all threads before their next step, their states saved; the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface StoppedMember {
  readonly task: number;
  readonly step: number;
  readonly steps: number;
  /** Whether a state was saved to go on from. */
  readonly saved: boolean;
}

const ON_CPU: ChosenBackend = { name: "wasm", reason: "wasm, by default" };

/**
 * Trains models in parallel worker threads. A thread that finishes takes the next task, of whatever family, so threads
 * idle only at the very end.
 * @returns one result a task that did not diverge, in the order of the tasks
 * @throws Failure `usage` before anything starts; else of the first model that fails, once the others have saved their
 * states and stopped
 */
export async function trainMembers(
  tasks: readonly MemberTask[],
  options: TrainMembersOptions = {},
): Promise<TrainedMember[]> {
  const { backend = ON_CPU, threads = availableParallelism(), signal } = options;
  for (const task of tasks) checkTask(task);
  signal?.throwIfAborted();
  const run = new Run(tasks, options);
  const abort = () => run.stop();
  signal?.addEventListener("abort", abort, { once: true });
  const most = backend.name === "webgpu" ? 1 : threads;
  const pool = Array.from(
    { length: Math.max(0, Math.min(most, tasks.length)) },
    () => new TrainingThread({ backend, stop: run.stopFlag }),
  );
  try {
    await Promise.all(pool.map((thread) => run.work(thread)));
  } finally {
    signal?.removeEventListener("abort", abort);
    await Promise.all(pool.map((thread) => thread.end()));
  }
  if (run.failure !== undefined) throw run.failure;
  signal?.throwIfAborted();
  return run.results.filter((result) => result !== undefined);
}

/** What the threads of one call share: the tasks that are left, what came of the others, and whether to go on. */
class Run {
  readonly stopFlag = new SharedArrayBuffer(4);
  readonly results: (TrainedMember | undefined)[];
  /** The first. */
  failure: unknown;
  readonly #tasks: readonly MemberTask[];
  readonly #options: TrainMembersOptions;
  #next = 0;

  constructor(tasks: readonly MemberTask[], options: TrainMembersOptions) {
    this.#tasks = tasks;
    this.#options = options;
    this.results = tasks.map(() => undefined);
  }

  /** Threads save and stop before their next step, and take no further task. */
  stop(): void {
    Atomics.store(new Int32Array(this.stopFlag), 0, 1);
  }

  /** Gives a thread one task after another, until none is left or the run stops. Never rejects. */
  async work(thread: TrainingThread): Promise<void> {
    try {
      while (Atomics.load(new Int32Array(this.stopFlag), 0) === 0) {
        const index = this.#next++;
        const task = this.#tasks[index];
        if (task === undefined) return;
        const end = await thread.train(
          { index, task, data: dataDigests(task.dataset), state: this.#options.state?.(index) },
          this.#options.keepBest ?? false,
          (message) => this.#hear(message, index, task),
        );
        await this.#close(end, index);
      }
    } catch (error) {
      this.failure ??= error;
      this.stop();
    }
  }

  #hear(message: FromThread, index: number, { label }: MemberTask): void {
    switch (message.type) {
      case "progress":
        this.#options.onProgress?.({ ...message.progress, task: index, label });
        break;
      case "metrics":
        this.#options.onMetrics?.(message.metrics, index);
        break;
      case "resumed":
        this.#options.onResumed?.(message.step, index);
        break;
      // Answered by the thread's own side.
      case "saving":
      // The end of a task, dealt with below.
      case "done":
      case "stopped":
      case "failed":
        break;
    }
  }

  async #close(end: Extract<FromThread, { type: "done" | "stopped" | "failed" }>, index: number): Promise<void> {
    switch (end.type) {
      case "done":
        this.results[index] = end.result;
        await this.#options.onTrained?.(end.result, index);
        break;
      case "stopped":
        this.#options.onStopped?.({ task: index, step: end.step, steps: end.steps, saved: end.saved });
        break;
      case "failed": {
        const failure = new Failure(end.kind, end.message, { cause: end.stack });
        if (end.kind !== "diverged" || this.#options.onDiverged === undefined) throw failure;
        await this.#options.onDiverged(index, failure);
        break;
      }
    }
  }
}
