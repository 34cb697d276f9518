import { maskScopeOf } from "../../shared/models/layer-scopes.ts";
import { canonicalJson } from "../../shared/recipe/canonical-json.ts";
import type { Augmentation } from "../data/augmentation.ts";
import type { Dataset } from "../data/dataset.ts";
import { Failure } from "../failure.ts";
import { sha256Hex } from "../storage/bytes-at-once.ts";
import type { MemberProgress, MemberTask } from "../training/member-task.ts";
import { familyTasks } from "../training/run-family.ts";
import { trainMembers, type TrainMembersOptions } from "../training/train-members.ts";
import type { Journal } from "./journal.ts";
import { measureFamily } from "./measure.ts";
import type { Measurement } from "./measurement.ts";
import type { StudyReport } from "./report.ts";
import type { Condition, Setting, Study } from "./study.ts";
import { summarise } from "./summary.ts";

/** Seeds of the first repetition; the next ones count up. */
const FIRST_SEED = 101;
const FIRST_MASK_SEED = 201;
/** Between the seeds of attempts, after a divergence. */
const ATTEMPT_STRIDE = 1000;
const MOST_ATTEMPTS = 10;
/** Models trained in one pool: enough that threads idle seldom, few enough that all their files fit in memory. */
const POOL = 64;

export interface StudyRun {
  readonly dataset: Dataset;
  /** Digest of the data; goes into the journal's keys. */
  readonly datasetDigest: string;
  readonly augmentation: Augmentation;
  /** Families a condition. */
  readonly repetitions: number;
  readonly journal: Journal;
  readonly training: Omit<TrainMembersOptions, "onProgress" | "onTrained" | "onDiverged">;
  /** Called as work goes on, often. */
  readonly onProgress: (progress: StudyProgress) => void;
  readonly notify: (message: string) => void;
}

export interface StudyProgress {
  /** Families measured, of all that were to be trained. */
  readonly families: number;
  readonly total: number;
  /** What a thread reported last. */
  readonly latest?: MemberProgress | undefined;
}

/** One family to train and measure. */
interface Cell {
  readonly key: string;
  readonly setting: Setting;
  readonly repetition: number;
  readonly attempt: number;
}

/**
 * Runs studies. A setting that several studies ask for is trained once; what the journal knows is not trained again.
 * Families whose training diverges are trained again from other seeds, and counted.
 * @throws Failure `diverged` where a setting diverges time after time; as {@link trainMembers}
 */
export async function runStudies(
  studies: readonly { readonly name: string; readonly study: Study; readonly conditions: readonly Condition[] }[],
  run: StudyRun,
): Promise<StudyReport[]> {
  const cells = new Map<string, Cell>();
  for (const { conditions } of studies) {
    for (const { setting } of conditions) {
      for (let repetition = 1; repetition <= run.repetitions; repetition++) {
        const key = cellKey(setting, repetition, run);
        const models = Math.max(setting.models, cells.get(key)?.setting.models ?? 0);
        cells.set(key, { key, setting: { ...setting, models }, repetition, attempt: 0 });
      }
    }
  }
  const missing = [...cells.values()].filter(
    ({ key, setting }) => (run.journal.get(key)?.members.length ?? 0) < setting.models,
  );
  if (missing.length < cells.size) {
    run.notify(`${cells.size - missing.length} of ${cells.size} families are known already`);
  }
  await trainCells(missing, run);

  return studies.map(({ name, study, conditions }) => {
    const results = conditions.map((condition) => ({
      condition,
      measurements: Array.from({ length: run.repetitions }, (_, index) =>
        known(run.journal, cellKey(condition.setting, index + 1, run)),
      ),
    }));
    return { name, study, rows: summarise(study, results), results };
  });
}

function known(journal: Journal, key: string): Measurement {
  const measurement = journal.get(key);
  if (measurement === undefined) throw new Error(`family ${key} was not measured`);
  return measurement;
}

/**
 * What decides a family's figures, as a digest. How many members it has is left out: the first ones are the same in a
 * larger family, so one measurement serves studies of pairs and of averages.
 */
function cellKey(setting: Setting, repetition: number, { datasetDigest, augmentation }: StudyRun): string {
  const { models: _, ...family } = setting;
  const facts = { version: 1, family, repetition, dataset: datasetDigest, augmentation };
  return sha256Hex(new TextEncoder().encode(canonicalJson(facts)));
}

async function trainCells(cells: readonly Cell[], run: StudyRun): Promise<void> {
  const queue = [...cells];
  const count = { done: 0, total: cells.length };
  while (queue.length > 0) {
    const batch: Cell[] = [];
    for (let models = 0; models < POOL && queue.length > 0;) {
      const cell = queue.shift();
      if (cell === undefined) break;
      batch.push(cell);
      models += cell.setting.models;
    }
    for (const cell of await trainPool(batch, run, count)) queue.push(nextAttempt(cell, run));
  }
}

function nextAttempt(cell: Cell, { notify }: StudyRun): Cell {
  const { setting, repetition, attempt } = cell;
  const name = `repetition ${repetition} at fixed ratio ${setting.fixedRatio}`;
  if (attempt + 1 >= MOST_ATTEMPTS) {
    throw new Failure(
      "diverged",
      `${name} diverged ${MOST_ATTEMPTS} times from as many seeds; lower --learning-rate (now ${setting.regime.learningRate}).`,
    );
  }
  notify(`${name} diverged; training it again from another seed`);
  return { ...cell, attempt: attempt + 1 };
}

/** Trains families side by side and measures each as its last member is ready. @returns those that diverged */
async function trainPool(
  cells: readonly Cell[],
  run: StudyRun,
  count: { done: number; total: number },
): Promise<Cell[]> {
  const diverged = new Set<Cell>();
  const tasks: MemberTask[] = [];
  const owners: { cell: Cell; member: number }[] = [];
  const files = new Map<Cell, Uint8Array<ArrayBuffer>[]>(cells.map((cell) => [cell, []]));
  for (const cell of cells) {
    for (const [member, task] of cellTasks(cell, run).entries()) {
      tasks.push(task);
      owners.push({ cell, member });
    }
  }
  const measure = async (cell: Cell, members: readonly Uint8Array<ArrayBuffer>[]) => {
    const { setting, repetition, attempt, key } = cell;
    const found = measureFamily(setting.architecture, members, run.dataset.validation);
    await run.journal.add(key, { repetition, seed: String(seedsOf(cell).seed), diverged: attempt, ...found });
    count.done++;
    run.onProgress({ families: count.done, total: count.total });
  };
  await trainMembers(tasks, {
    ...run.training,
    onProgress: (latest) => run.onProgress({ families: count.done, total: count.total, latest }),
    onTrained: ({ file }, task) => {
      const owner = owners[task];
      const members = owner === undefined ? undefined : files.get(owner.cell);
      if (owner === undefined || members === undefined) return undefined;
      members[owner.member] = file;
      const ready = members.filter((member) => member !== undefined);
      if (ready.length < owner.cell.setting.models) return undefined;
      files.delete(owner.cell);
      return measure(owner.cell, ready);
    },
    onDiverged: (task) => {
      const owner = owners[task];
      if (owner !== undefined) diverged.add(owner.cell);
    },
  });
  return [...diverged];
}

function seedsOf({ repetition, attempt }: Cell): { seed: bigint; maskSeed: bigint } {
  const offset = repetition - 1 + ATTEMPT_STRIDE * attempt;
  return { seed: BigInt(FIRST_SEED + offset), maskSeed: BigInt(FIRST_MASK_SEED + offset) };
}

function cellTasks(cell: Cell, { dataset, augmentation }: StudyRun): MemberTask[] {
  const { architecture, regime, fixedRatio, scope, frozenValue, differentInit, models } = cell.setting;
  return familyTasks({
    dataset,
    architecture,
    ...seedsOf(cell),
    fixedRatio,
    scope: scope === "all" ? "all" : maskScopeOf(architecture, scope),
    frozenValue,
    models,
    regime,
    augmentation,
    differentInit,
  });
}
