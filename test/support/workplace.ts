import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { type CommandLineRun, runHere } from "./run-command-line.ts";
import type { WorkerHarness } from "./worker-harness.ts";

/** @returns lower-case hex */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** SHA-256 of a file. */
export async function digestOf(path: string): Promise<string> {
  return sha256(await readFile(path));
}

/** A folder and a command line for a worker, with the admin token and a cache of its own; new for every test. */
export class Workplace {
  folder = "";
  environment: Record<string, string> = {};

  async open({ url, token }: Pick<WorkerHarness, "url" | "token">): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), "edgefuse-remote-"));
    this.environment = { EDGEFUSE_URL: url, EDGEFUSE_TOKEN: token, EDGEFUSE_CACHE: join(this.folder, "cache") };
  }

  close(): Promise<void> {
    return rm(this.folder, { recursive: true });
  }

  readonly cli = (words: readonly string[], run: CommandLineRun = {}) =>
    runHere(words, { ...run, environment: { ...this.environment, ...run.environment } });

  /** Writes a file into the folder. @returns its path */
  readonly file = async (name: string, bytes: Uint8Array): Promise<string> => {
    const path = join(this.folder, name);
    await writeFile(path, bytes);
    return path;
  };

  /** Has files fused by the worker. @returns id of the model */
  readonly fuseRemotely = async (paths: readonly string[], ...more: string[]): Promise<string> => {
    const { code, stderr, json } = await this.cli(["fuse", ...paths, "--remote", "--json", ...more]);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    return String(json()[0]?.["id"]);
  };
}
