import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type JobFile, jobFileName } from "../../shared/api/jobs.ts";
import { BACKENDS } from "../../shared/jobs/spec.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { writeAtomically } from "../storage/atomic-file.ts";
import { readRecordedTask } from "../training/checkpoint-file.ts";
import { decodeState } from "../training/training-state.ts";
import { isResumable } from "./attempt-files.ts";
import type { JobBackend } from "./job-words.ts";
import type { LeaseCalls } from "./lease-calls.ts";
import { type Persistence, persistently } from "./persistence.ts";

/** What earlier attempts left, as it lies in the folder now. */
export interface Restored {
  readonly files: readonly JobFile[];
  /** What computed it: another backend rounds otherwise, and cannot go on from there. */
  readonly backend: JobBackend | undefined;
  /** Files that are of no use, each with a reason. */
  readonly leftOut: readonly string[];
}

/**
 * Puts what earlier attempts left where the trainer looks for it. Where attempts had different backends, what the last
 * one of them computed counts.
 * @param backends that this agent has, or that the job asks for
 * @throws LeaseLost; what else {@link persistently} gives up with
 */
export async function restoreFiles(
  files: readonly JobFile[],
  out: string,
  backends: readonly JobBackend[],
  calls: Pick<LeaseCalls, "getFile">,
  persistence: Persistence,
): Promise<Restored> {
  const leftOut: string[] = [];
  const found: { readonly file: JobFile; readonly backend: JobBackend | undefined }[] = [];
  for (const file of files) {
    // Names come from elsewhere, and are about to be part of a path.
    if (!jobFileName.safeParse(file.name).success || !isResumable(file.name)) continue;
    const bytes = await persistently(() => calls.getFile(file), persistence);
    if (createHash("sha256").update(bytes).digest("hex") !== file.sha256) {
      leftOut.push(`${file.name} arrived damaged`);
      continue;
    }
    const backend = backendOf(file.name, bytes);
    if (backend === "unknown") {
      leftOut.push(`${file.name} is no state or checkpoint of the trainer`);
      continue;
    }
    await writeAtomically(join(out, file.name), bytes);
    found.push({ file, backend });
  }
  const newest = found
    .filter(({ backend }) => backend !== undefined)
    .toSorted((a, b) => b.file.attempt - a.file.attempt);
  const chosen = newest.find(({ backend }) => backend !== undefined && backends.includes(backend))?.backend;
  const kept: JobFile[] = [];
  for (const { file, backend } of found) {
    if (backend === undefined || backend === chosen) {
      kept.push(file);
      continue;
    }
    leftOut.push(`${file.name} was computed on ${backend}`);
    await rm(join(out, file.name), { force: true });
  }
  return { files: kept, backend: chosen, leftOut };
}

/** What computed a state or a checkpoint; undefined for a record, which is good for any. */
function backendOf(name: string, bytes: Uint8Array<ArrayBuffer>): JobBackend | undefined | "unknown" {
  if (!name.endsWith(".safetensors")) return undefined;
  try {
    const task = name.startsWith(".")
      ? decodeState(bytes).task
      : readRecordedTask(decodeSafetensors(bytes).header.metadata)?.description;
    const given = typeof task === "object" && task !== null && "backend" in task ? task.backend : undefined;
    return BACKENDS.find((backend) => backend === given) ?? "unknown";
  } catch {
    return "unknown";
  }
}
