import { rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { readAlignment } from "../../shared/alignment/metadata.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { Failure } from "../failure.ts";
import { writeAtomically } from "../storage/atomic-file.ts";
import { readWhole, sha256Hex } from "../storage/bytes-at-once.ts";
import { diskFailure } from "../storage/disk-failure.ts";
import { takeLocks } from "../storage/run-locks.ts";
import { readRecordedTask } from "./checkpoint-file.ts";
import type { BestMember, MemberTask, TrainedMember } from "./member-task.ts";
import { OTHER_RUN, removeLeftovers, statePath } from "./state-file.ts";
import { type TaskDescription, taskDifferences, taskDigest } from "./task-description.ts";

/** A member whose file is in place. */
export interface FinishedMember extends Pick<
  TrainedMember,
  "label" | "member" | "fixedRatio" | "file" | "sha256" | "initialDigest" | "steps" | "metrics"
> {
  readonly path: string;
  readonly best: (BestMember & { readonly path: string }) | undefined;
  /** Of its training; undefined where it was found trained. */
  readonly seconds: number | undefined;
}

const factsSchema = z.object({
  steps: z.number(),
  metrics: z.object({ trainingLoss: z.number(), validationLoss: z.number(), validationAccuracy: z.number() }),
});
const bestSchema = z.object({
  epoch: z.number(),
  metrics: z.object({ validationLoss: z.number(), validationAccuracy: z.number() }),
});

/**
 * The files of a family in one folder: `NAME-1.safetensors` of each member's last weights, `NAME-1.best.safetensors` of
 * its best where they are kept, and a hidden state while it trains. Each comes into being whole or not at all.
 */
export class FamilyFiles {
  readonly #directory: string;
  readonly #keepBest: boolean;

  constructor(directory: string, keepBest: boolean) {
    this.#directory = directory;
    this.#keepBest = keepBest;
  }

  statePath(label: string): string {
    return statePath(this.#path(label));
  }

  /**
   * Keeps other processes of this machine off the members' files.
   * @returns lets them go
   * @throws Failure `usage` where another run trains one of them
   */
  lock(labels: readonly string[]): Promise<() => void> {
    const guarded = new Map(labels.map((label) => [this.#lockPath(label), this.#path(label)]));
    return takeLocks([...guarded.keys()], (path, { pid }) => {
      const what = `${guarded.get(path)} is being trained by another run (process ${pid}).`;
      return new Failure("usage", `${what} Wait for its end, or take another --name or --out.`);
    });
  }

  /** Removes what runs that were killed outright have left half-written; with `fresh` all that has the members' names. */
  async prepare(labels: readonly string[], { fresh }: { readonly fresh: boolean }): Promise<void> {
    const all = labels.flatMap((label) => [this.#path(label), this.#bestPath(label), this.statePath(label)]);
    await removeLeftovers([...all, ...labels.map((label) => this.#lockPath(label))]);
    if (fresh) for (const path of all) await rm(path, { force: true });
  }

  /**
   * Finds a member that is trained already.
   * @returns undefined where it has yet to be
   * @throws Failure `usage` where a file of that name is of another task; nothing is overwritten then
   */
  async find({ label, member, mask }: MemberTask, description: TaskDescription): Promise<FinishedMember | undefined> {
    const path = this.#path(label);
    const last = await readChecked(path, description, "last");
    const best = this.#keepBest ? await this.#findBest(label, description) : undefined;
    if (last === undefined || (this.#keepBest && best === undefined)) return undefined;
    const facts = factsSchema.safeParse(last.facts);
    const alignment = readAlignment(last.metadata);
    if (!facts.success || alignment === undefined) return undefined;
    const { steps, metrics } = facts.data;
    const { file, sha256 } = last;
    const initialDigest = alignment.init;
    const { fixedRatio } = mask;
    return { label, member, fixedRatio, path, file, sha256, initialDigest, steps, metrics, best, seconds: undefined };
  }

  /**
   * Puts a trained member's files in place, then removes its state.
   * @throws Failure `unreachable` where the disk is full; the state is still there then
   */
  async write(trained: TrainedMember): Promise<FinishedMember> {
    const { label, best } = trained;
    const [path, bestPath] = [this.#path(label), this.#bestPath(label)];
    // The last weights last: their file is what says that a member is done.
    if (best !== undefined) await write(bestPath, best.file);
    await write(path, trained.file);
    await rm(this.statePath(label), { force: true });
    return { ...trained, path, best: best === undefined ? undefined : { ...best, path: bestPath } };
  }

  /** The state of a run that diverged would only diverge again. */
  async discardState(label: string): Promise<void> {
    await rm(this.statePath(label), { force: true });
  }

  async #findBest(label: string, description: TaskDescription): Promise<FinishedMember["best"]> {
    const path = this.#bestPath(label);
    const found = await readChecked(path, description, "best");
    const facts = bestSchema.safeParse(found?.facts);
    if (found === undefined || !facts.success) return undefined;
    const { epoch, metrics } = facts.data;
    const validation = { loss: metrics.validationLoss, accuracy: metrics.validationAccuracy };
    return { path, file: found.file, sha256: found.sha256, epoch, validation };
  }

  #path(label: string): string {
    return join(this.#directory, `${label}.safetensors`);
  }

  #lockPath(label: string): string {
    return join(this.#directory, `.${label}.lock`);
  }

  #bestPath(label: string): string {
    return join(this.#directory, `${label}.best.safetensors`);
  }
}

async function readChecked(path: string, description: TaskDescription, weights: "last" | "best") {
  const file = await readWhole(path);
  if (file === undefined) return undefined;
  const metadata = metadataOf(file);
  const recorded = metadata === undefined ? undefined : readRecordedTask(metadata);
  if (metadata === undefined || recorded === undefined) {
    throw new Failure("usage", `${path} is there and was not trained by this command. ${OTHER_RUN}.`);
  }
  if (recorded.task !== taskDigest(description) || recorded.weights !== weights) {
    const { description: before } = recorded;
    const known = Object.fromEntries(Object.keys(description).map((key) => [key, before[key]]));
    const differences = taskDifferences(known, description).slice(0, 3).join("; ");
    throw new Failure("usage", `${path} is of another run: ${differences || "it has other facts"}. ${OTHER_RUN}.`);
  }
  return { file, sha256: sha256Hex(file), metadata, facts: recorded.description };
}

function metadataOf(file: Uint8Array<ArrayBuffer>): Readonly<Record<string, string>> | undefined {
  try {
    return decodeSafetensors(file).header.metadata;
  } catch {
    return undefined;
  }
}

async function write(path: string, file: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    await writeAtomically(path, file);
  } catch (error) {
    throw diskFailure(error, path);
  }
}
