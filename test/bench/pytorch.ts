import { PytorchProcess } from "./pytorch-process.ts";

export type PytorchWay = "loop" | "wide" | "fused";

/** PyTorch in a process of its own, which averages on request. */
export class PytorchAverage {
  readonly #process: PytorchProcess;

  private constructor(process: PytorchProcess) {
    this.#process = process;
  }

  /** @returns undefined where Python or PyTorch is not installed */
  static async start(
    dtype: "f32" | "bf16",
    elements: number,
    weights: readonly number[],
  ): Promise<PytorchAverage | undefined> {
    const args = [dtype, String(elements), ...weights.map(String)];
    const process = await PytorchProcess.start("pytorch-average.py", args);
    return process === undefined ? undefined : new PytorchAverage(process);
  }

  /** @returns milliseconds of one average */
  average(way: PytorchWay): Promise<number> {
    return this.#process.run(way);
  }

  stop(): void {
    this.#process.stop();
  }
}
