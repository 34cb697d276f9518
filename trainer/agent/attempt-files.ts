import { createHash } from "node:crypto";
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type JobFileName, jobFileName } from "../../shared/api/jobs.ts";

/** A file of a job as it is at one moment. */
export interface FileVersion {
  readonly name: JobFileName;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

/** A file that may have changed: what is cheap to ask about it. */
export interface FileStamp {
  readonly name: JobFileName;
  readonly path: string;
  readonly bytes: number;
  /** Changes whenever the file does. */
  readonly stamp: string;
}

const isState = (name: string) => /^\..+\.state\.safetensors$/.test(name);
const isCheckpoint = (name: string) => /^[^.].*\.safetensors$/.test(name);
const isRecord = (name: string) => name.endsWith(".jsonl") && !name.startsWith(".");
const isReport = (name: string) => /^[^.].*\.(md|json|svg)$/.test(name);

/** Of a state `.NAME.state.safetensors`: the file that it will become. */
const checkpointOf = (state: string) => `${state.slice(1, -".state.safetensors".length)}.safetensors`;

/** Whether another attempt needs the file to go on. */
export const isResumable = (name: string): boolean => isState(name) || isCheckpoint(name) || isRecord(name);

/**
 * States of what is being trained, and checkpoints that are done; the smallest first, so that one which takes long, or
 * does not get through, keeps no other waiting. A state whose checkpoint is there has no use any more.
 */
export async function stateFiles(out: string): Promise<FileStamp[]> {
  const names = await namesIn(out);
  const checkpoints = new Set(names.filter((name) => isCheckpoint(name)));
  const states = names.filter((name) => isState(name) && !checkpoints.has(checkpointOf(name)));
  return (await stampsOf(out, [...states, ...checkpoints])).toSorted((a, b) => a.bytes - b.bytes);
}

/** What lines are appended to as the job goes on. */
export async function recordFiles(out: string): Promise<FileStamp[]> {
  return stampsOf(
    out,
    (await namesIn(out)).filter((name) => isRecord(name)),
  );
}

/** Paths of the checkpoints that are done. */
export async function checkpointPaths(out: string): Promise<string[]> {
  const names = (await namesIn(out)).filter((name) => isCheckpoint(name));
  return names.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })).map((name) => join(out, name));
}

/** What a job leaves for people to look at. */
export async function reportFiles(out: string): Promise<FileStamp[]> {
  return stampsOf(
    out,
    (await namesIn(out)).filter((name) => isReport(name)),
  );
}

/**
 * Reads a file as it is now. Files that are replaced are read in one version, whatever happens meanwhile; of one that is
 * appended to, the lines that are whole.
 * @returns undefined where it is gone
 */
export async function readVersion({ name, path }: FileStamp): Promise<FileVersion | undefined> {
  const file = await open(path, "r").catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const whole = new Uint8Array(await file.readFile());
    const bytes = isRecord(name) ? whole.subarray(0, whole.lastIndexOf(0x0a) + 1) : whole;
    return { name, bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
  } finally {
    await file.close();
  }
}

async function stampsOf(out: string, names: readonly string[]): Promise<FileStamp[]> {
  const stamps: FileStamp[] = [];
  for (const given of names) {
    const name = jobFileName.safeParse(given);
    // A name that the deployment would refuse: the job goes on, and is begun anew elsewhere.
    if (!name.success) continue;
    const path = join(out, name.data);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) continue;
    stamps.push({ name: name.data, path, bytes: found.size, stamp: `${found.ino} ${found.size} ${found.mtimeMs}` });
  }
  return stamps;
}

async function namesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

const isMissing = (error: unknown) => error instanceof Error && "code" in error && error.code === "ENOENT";
