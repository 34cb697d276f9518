import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";

/** Debian's Python, which is the one that `python3-torch` belongs to. */
const PYTHON = "/usr/bin/python3";

/** A Python script of this folder that times what PyTorch does, on request: a line in, the seconds it took out. */
export class PytorchProcess {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  /** What the script said of itself when it was ready. */
  note = "";

  private constructor(child: ChildProcessWithoutNullStreams, lines: Interface) {
    this.#process = child;
    this.#lines = lines[Symbol.asyncIterator]();
  }

  /** @returns undefined where Python or PyTorch is not installed */
  static async start(script: string, args: readonly string[]): Promise<PytorchProcess | undefined> {
    if (!existsSync(PYTHON)) return undefined;
    // OpenBLAS has threads of its own, which PyTorch's number of threads does not limit.
    const env = { ...process.env, OPENBLAS_NUM_THREADS: "1" };
    const child = spawn(PYTHON, [join(import.meta.dirname, script), ...args], { env });
    child.stderr.resume();
    const pytorch = new PytorchProcess(child, createInterface(child.stdout));
    const [ready, ...note] = (await pytorch.#line())?.split(" ") ?? [];
    pytorch.note = note.join(" ");
    return ready === "ready" ? pytorch : undefined;
  }

  /** @returns milliseconds */
  async run(request: string): Promise<number> {
    this.#process.stdin.write(`${request}\n`);
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
