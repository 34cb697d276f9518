import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";

/** Debian's Python, which is the one that `python3-torch` belongs to. */
const PYTHON = "/usr/bin/python3";

export type PytorchWay = "loop" | "wide" | "fused";

/** PyTorch in a process of its own, which averages on request. */
export class PytorchAverage {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(process: ChildProcessWithoutNullStreams, lines: Interface) {
    this.#process = process;
    this.#lines = lines[Symbol.asyncIterator]();
  }

  /** @returns undefined where Python or PyTorch is not installed */
  static async start(
    dtype: "f32" | "bf16",
    elements: number,
    weights: readonly number[],
  ): Promise<PytorchAverage | undefined> {
    if (!existsSync(PYTHON)) return undefined;
    const script = join(import.meta.dirname, "pytorch-average.py");
    const child = spawn(PYTHON, [script, dtype, String(elements), ...weights.map(String)]);
    child.stderr.resume();
    const pytorch = new PytorchAverage(child, createInterface(child.stdout));
    return (await pytorch.#line()) === "ready" ? pytorch : undefined;
  }

  /** @returns milliseconds of one average */
  async average(way: PytorchWay): Promise<number> {
    this.#process.stdin.write(`${way}\n`);
    const line = await this.#line();
    if (line === undefined) throw new Error("PyTorch ended before it answered");
    return Number(line) * 1000;
  }

  stop(): void {
    this.#process.stdin.end();
  }

  async #line(): Promise<string | undefined> {
    const { value, done } = await this.#lines.next();
    return done === true ? undefined : value;
  }
}
