import type { JobProgress } from "../../shared/api/jobs.ts";

/** A line of the training board (`progressLine` in command-line/progress-board.ts writes it). */
const LINE =
  /^(\S+)\s+epoch +\d+\/\d+ {2}step +(\d+)\/(\d+) {2}loss +(\S+) {2}accuracy +(\S+)(?: %)? {2}(\d+) samples\/s {2}\S/;
/** What the trainer says of a model that an earlier run has finished. */
const TRAINED = /\.safetensors is trained already$/;

/** C0, DEL, C1: nothing that a terminal would act on. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]+/g;

interface MemberLine {
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly samplesPerSecond: number;
}

/** Reads off the lines of a job how far it is. */
export class ChildProgress {
  readonly #members: number | undefined;
  readonly #lines = new Map<string, MemberLine>();
  #trained = 0;
  #note: string | undefined;

  /** @param members models that the job trains; undefined where that is not known beforehand */
  constructor(members: number | undefined) {
    this.#members = members;
  }

  hear(line: string): void {
    const [, label, step, steps, loss, accuracy, rate] = LINE.exec(line) ?? [];
    if (label === undefined) {
      if (TRAINED.test(line)) this.#trained++;
      if (this.#members === undefined && line.trim() !== "") this.#note = line.replaceAll(CONTROL, " ").slice(0, 500);
      return;
    }
    this.#lines.set(label, {
      step: Number(step),
      steps: Number(steps),
      loss: Number(loss),
      accuracy: Number(accuracy) / 100,
      samplesPerSecond: step === steps ? 0 : Number(rate),
    });
  }

  /** Undefined until something is known. */
  progress(): JobProgress | undefined {
    if (this.#members === undefined) return this.#note === undefined ? undefined : { note: this.#note };
    const lines = [...this.#lines.values()];
    if (lines.length === 0) return undefined;
    const sum = (of: (line: MemberLine) => number) => lines.reduce((total, line) => total + of(line), 0);
    const metrics: Record<string, number> = { samplesPerSecond: sum(({ samplesPerSecond }) => samplesPerSecond) };
    for (const name of ["loss", "accuracy"] as const) {
      const mean = sum((line) => line[name]) / lines.length;
      if (Number.isFinite(mean)) metrics[name] = mean;
    }
    // Members that have not begun, or were trained before, take about as many steps as the others.
    const each = sum(({ steps }) => steps) / lines.length;
    return {
      done: Math.round(sum(({ step }) => step) + each * this.#trained),
      total: Math.round(each * Math.max(this.#members, lines.length + this.#trained)),
      unit: "steps",
      metrics,
    };
  }
}
