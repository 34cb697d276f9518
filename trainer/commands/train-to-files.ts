import { type BackendChoice, type ChosenBackend, chooseBackend } from "../backend/choose-backend.ts";
import type { CommandContext } from "../command-line/command.ts";
import { ProgressBoard } from "../command-line/progress-board.ts";
import type { Dataset } from "../data/dataset.ts";
import { asFailure, Failure } from "../failure.ts";
import { checkTask } from "../training/check-task.ts";
import { FamilyFiles, type FinishedMember } from "../training/family-files.ts";
import type { CheckpointInterval } from "../training/member-surroundings.ts";
import type { MemberTask } from "../training/member-task.ts";
import { MetricsFile } from "../training/metrics-file.ts";
import { type FamilyOptions, familyTasks } from "../training/run-family.ts";
import { dataDigests, describeTask, taskDigest } from "../training/task-description.ts";
import { type StoppedMember, trainMembers } from "../training/train-members.ts";

export interface FileRun {
  /** Folder for the checkpoints. */
  readonly out: string;
  /** Number of the only member to train; undefined: all. */
  readonly member: number | undefined;
  readonly backend: BackendChoice;
  readonly threads: number | undefined;
  readonly checkpointEvery: CheckpointInterval | undefined;
  readonly fresh: boolean;
  readonly keepBest: boolean;
  /** File of JSON lines. */
  readonly metrics: string | undefined;
}

/** A member that has yet to be trained. */
interface Pending {
  readonly task: MemberTask;
  /** Digest of its description. */
  readonly digest: string;
}

/**
 * Trains a family into files: goes on from saved states, leaves alone what is done, and saves the states when it has to
 * stop. A model is written as soon as it is trained.
 * @returns all members that were asked for, in order, once each has its file
 * @throws Failure `resume-me` after SIGTERM, `interrupted` after SIGINT; `diverged` once the others are written; as
 * {@link trainMembers} and {@link FamilyFiles}
 */
export async function trainToFiles(
  options: FamilyOptions & { readonly name: string },
  run: FileRun,
  context: CommandContext,
): Promise<FinishedMember[]> {
  const { terminal } = context;
  const tasks = familyTasks(options).filter(({ member }) => run.member === undefined || member === run.member);
  for (const task of tasks) checkTask(task);
  const backend = await chooseBackend(run.backend);
  const which = run.member === undefined ? "" : `, member ${run.member} alone`;
  terminal.note(`${familyLine(options)}${which}, ${backend.name}`);
  if (run.backend !== "wasm") terminal.note(backend.reason);

  const files = new FamilyFiles(run.out, run.keepBest);
  const names = tasks.map(({ label }) => label);
  const unlock = await files.lock(names);
  try {
    await files.prepare(names, run);
    return await trainTasks(tasks, { dataset: options.dataset, files, backend, run, context });
  } finally {
    unlock();
  }
}

interface TasksOptions {
  readonly dataset: Dataset;
  readonly files: FamilyFiles;
  readonly backend: ChosenBackend;
  readonly run: FileRun;
  readonly context: CommandContext;
}

/** Trains those of the tasks that are not trained yet. */
async function trainTasks(
  tasks: readonly MemberTask[],
  { dataset, files, backend, run, context: { terminal, signal } }: TasksOptions,
): Promise<FinishedMember[]> {
  const data = dataDigests(dataset);
  const finished = new Map<string, FinishedMember>();
  const pending: Pending[] = [];
  for (const task of tasks) {
    const description = describeTask(task, data, backend.name);
    const found = await files.find(task, description);
    if (found === undefined) pending.push({ task, digest: taskDigest(description) });
    else finished.set(task.label, found);
    if (found !== undefined) terminal.note(`${found.path} is trained already`);
  }

  const metrics = run.metrics === undefined ? undefined : new MetricsFile(run.metrics);
  const labels = pending.map(({ task }) => task.label);
  const board = new ProgressBoard(terminal, labels, () => performance.now());
  const stops: StoppedMember[] = [];
  const divergences: Failure[] = [];
  try {
    await trainMembers(
      pending.map(({ task }) => task),
      {
        threads: run.threads,
        backend,
        keepBest: run.keepBest,
        signal,
        state: (index) => ({ path: files.statePath(labels[index] ?? ""), every: run.checkpointEvery }),
        onProgress: (progress) => board.update(progress),
        onMetrics: (point, index) => {
          const member = pending[index];
          if (member !== undefined) metrics?.add(member.task.label, member.digest, point);
        },
        onResumed: (step, index) => board.note(`${labels[index]} goes on from step ${step}`),
        onTrained: async (member) => void finished.set(member.label, await files.write(member)),
        onDiverged: async (index, failure) => {
          divergences.push(failure);
          await files.discardState(labels[index] ?? "");
        },
        onStopped: (stop) => stops.push(stop),
      },
    );
  } catch (error) {
    if (!signal.aborted) throw error;
    // A run that stops in good order rejects with the signal's reason, and with nothing else.
    if (error !== signal.reason) throw failedStop(error, signal.reason);
    throw stopFailure(signal.reason, { stops, labels, fresh: run.fresh });
  } finally {
    board.finish();
    metrics?.close();
  }
  if (divergences.length > 0) throw divergedFailure(divergences, finished.size);
  return tasks.map(({ label }) => finished.get(label)).filter((member) => member !== undefined);
}

/** `glyphs-mlp-6x128-f0.4-s1: 2 models, 40 % frozen, 8000 samples of glyphs`. */
function familyLine({ name, models, dataset, fixedRatio, frozenValue }: FamilyOptions): string {
  const share = `${(100 * fixedRatio).toFixed(1).replace(/\.0$/, "")} %`;
  const held = frozenValue === "zero" ? "pruned" : "frozen";
  return `${name}: ${models} model${models === 1 ? "" : "s"}, ${share} ${held}, ${dataset.train.count} samples of ${dataset.name}`;
}

interface Stopped {
  readonly stops?: readonly StoppedMember[];
  readonly labels?: readonly string[];
  readonly fresh?: boolean;
}

/**
 * What a stop by a signal means: SIGTERM comes from a scheduler, which is told to run the command again; SIGINT from a
 * person, who knows.
 * @param reason of the abort
 * @param stopped `fresh`: whether the command has begun again already, so that doing so once more would lose this run
 */
export function stopFailure(reason: unknown, { stops = [], labels = [], fresh = false }: Stopped = {}): unknown {
  if (!(reason instanceof Failure)) return reason;
  const kind = reason.kind === "terminated" ? "resume-me" : reason.kind;
  const inOrder = stops.toSorted((a, b) => a.task - b.task);
  const where = inOrder.map(({ task, step, steps }) => `${labels[task]} at step ${step} of ${steps}`).join(", ");
  const what = where === "" ? "Nothing is lost" : `The state is saved (${where})`;
  const how = fresh ? "without --fresh" : "again";
  return new Failure(kind, `${stoppedBy(reason)}. ${what}; run the same command ${how} to go on.`, { cause: reason });
}

/** What went wrong as a signal stopped the run, such as a state that could not be saved: no order to run it again. */
function failedStop(error: unknown, reason: unknown): Failure {
  const { kind, message } = asFailure(error);
  const when = reason instanceof Failure ? `${stoppedBy(reason)}, but not in good order: ` : "";
  return new Failure(kind, `${when}${message}`, { cause: error, tellsOfStop: true });
}

const stoppedBy = ({ kind }: Failure) => `Stopped by ${kind === "terminated" ? "SIGTERM" : "SIGINT"}`;

function divergedFailure(divergences: readonly Failure[], finished: number): Failure {
  const [first] = divergences;
  const others = divergences.length > 1 ? ` So did ${divergences.length - 1} more.` : "";
  const rest = finished > 0 ? ` The other ${finished === 1 ? "model is" : `${finished} models are`} written.` : "";
  return new Failure("diverged", `${first?.message ?? ""}${others}${rest}`, { cause: first });
}
