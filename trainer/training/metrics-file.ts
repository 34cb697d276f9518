import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { Failure } from "../failure.ts";
import { diskFailure } from "../storage/disk-failure.ts";
import type { StepMetrics } from "./member-surroundings.ts";

/**
 * A file of JSON lines, one a point of a run, that several runs may share. A run that is resumed repeats some steps; what
 * stands here of them already is not written again, so every step is there once.
 */
export class MetricsFile {
  readonly #path: string;
  readonly #file: number;
  /** The last step of each run that is in the file. */
  readonly #written = new Map<string, number>();

  /** @throws Failure `bad-input` for a file of something else, `unreachable` where the disk is full */
  constructor(path: string) {
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true });
    this.#file = openSync(path, "a+");
    try {
      this.#read();
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  /** @param task digest of the run's task */
  add(label: string, task: string, metrics: StepMetrics): void {
    const run = runOf(label, task);
    if (metrics.step <= (this.#written.get(run) ?? 0)) return;
    try {
      writeSync(this.#file, `${JSON.stringify({ label, task, ...metrics })}\n`);
    } catch (error) {
      throw diskFailure(error, this.#path);
    }
    this.#written.set(run, metrics.step);
  }

  close(): void {
    closeSync(this.#file);
  }

  #read(): void {
    const bytes = readFileSync(this.#path);
    // A kill may have torn the last line.
    const end = bytes.lastIndexOf("\n") + 1;
    const lines = bytes.subarray(0, end).toString("utf8").split("\n").slice(0, -1);
    for (const line of lines) this.#note(line);
    if (end === bytes.length) return;
    if (lines.length === 0 && bytes[0] !== 0x7b) throw this.#foreign();
    ftruncateSync(this.#file, end);
  }

  #note(line: string): void {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw this.#foreign();
    }
    if (typeof value !== "object" || value === null) throw this.#foreign();
    const { label, task, step } = value as Record<string, unknown>;
    if (typeof label !== "string" || typeof task !== "string" || typeof step !== "number") return;
    const run = runOf(label, task);
    this.#written.set(run, Math.max(step, this.#written.get(run) ?? 0));
  }

  #foreign(): Failure {
    return new Failure("bad-input", `--metrics ${this.#path} holds something else than JSON lines; name another file.`);
  }
}

const runOf = (label: string, task: string) => `${label} ${task}`;
