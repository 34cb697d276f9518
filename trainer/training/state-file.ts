import { readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Failure } from "../failure.ts";
import { writeAtomically } from "../storage/atomic-file.ts";
import { readWhole } from "../storage/bytes-at-once.ts";
import { diskFailure } from "../storage/disk-failure.ts";
import { type TaskDescription, taskDifferences } from "./task-description.ts";
import { decodeState, encodeState, type TrainingState } from "./training-state.ts";

/** Where a run keeps its state between steps. */
export interface StateStore {
  /** @returns undefined where there is none */
  load(): Promise<TrainingState | undefined>;
  /** The state before stays until the new one is whole. */
  save(state: TrainingState): Promise<void>;
}

/** `OUT/.NAME-1.state.safetensors`: beside the checkpoint it will become, hidden from `*.safetensors`. */
export function statePath(checkpoint: string): string {
  return join(dirname(checkpoint), `.${basename(checkpoint, ".safetensors")}.state.safetensors`);
}

/** What is said about a file of this name that another run has left. */
export const OTHER_RUN = "Take another --name or --out, or --fresh to discard it";

/** Keeps the state of one task in a file. */
export function fileStateStore(path: string, task: TaskDescription, keepBest: boolean): StateStore {
  return {
    /** @throws Failure `bad-input` for a damaged state, `usage` for one of another task */
    async load() {
      const bytes = await readWhole(path);
      if (bytes === undefined) return undefined;
      let decoded: ReturnType<typeof decodeState>;
      try {
        decoded = decodeState(bytes);
      } catch (error) {
        const reason = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
        throw new Failure("bad-input", `${path} cannot be resumed from: ${reason}. Delete it to begin again.`);
      }
      const differences = taskDifferences(
        { ...asObject(decoded.task), keepBest: decoded.keepBest },
        { ...task, keepBest },
      );
      if (differences.length > 0) {
        throw new Failure("usage", `${path} is of another run: ${differences.slice(0, 3).join("; ")}. ${OTHER_RUN}.`);
      }
      return decoded.state;
    },
    /** @throws Failure `unreachable` where the disk is full */
    async save(state) {
      try {
        await writeAtomically(path, encodeState(state, task, keepBest));
      } catch (error) {
        throw diskFailure(error, path);
      }
    },
  };
}

/** Temporary files that a run killed outright has left of these; see `openAtomically`. */
export async function removeLeftovers(paths: readonly string[]): Promise<void> {
  const directories = new Set(paths.map((path) => dirname(path)));
  for (const directory of directories) {
    const prefixes = paths.filter((path) => dirname(path) === directory).map((path) => `.${basename(path)}.`);
    const names = await readdir(directory).catch(() => []);
    const left = names.filter((name) => prefixes.some((prefix) => isPartOf(prefix, name)));
    await Promise.all(left.map((name) => rm(join(directory, name), { force: true })));
  }
}

function isPartOf(prefix: string, name: string): boolean {
  return name.startsWith(prefix) && /^[0-9a-f]{12}\.part$/.test(name.slice(prefix.length));
}

function asObject(value: unknown): object {
  return typeof value === "object" && value !== null ? value : {};
}
