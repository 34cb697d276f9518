import type { MemberProgress } from "../training/member-task.ts";
import type { Terminal } from "./terminal.ts";

/** Milliseconds between redraws of a terminal, and between lines elsewhere. */
const REDRAW_INTERVAL = 100;
const LINE_INTERVAL = 5_000;

/**
 * Shows where each model stands, on stderr: on a terminal one line a model, redrawn in place; elsewhere (a log, CI) a
 * line a model every few seconds and one when it ends.
 */
export class ProgressBoard {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  readonly #states: (MemberProgress | undefined)[];
  readonly #labels: readonly string[];
  readonly #lastLines: number[];
  #drawn = 0;
  #lastDraw = -Infinity;

  /** @param now milliseconds of a monotonic clock */
  constructor(terminal: Terminal, labels: readonly string[], now: () => number) {
    this.#terminal = terminal;
    this.#labels = labels;
    this.#now = now;
    this.#states = labels.map(() => undefined);
    this.#lastLines = labels.map(() => -Infinity);
  }

  update(progress: MemberProgress): void {
    this.#states[progress.task] = progress;
    const now = this.#now();
    const finished = progress.step === progress.steps;
    if (this.#terminal.interactive) {
      if (finished || now - this.#lastDraw >= REDRAW_INTERVAL) this.#redraw(now);
    } else if (finished || now - (this.#lastLines[progress.task] ?? 0) >= LINE_INTERVAL) {
      this.#lastLines[progress.task] = now;
      this.#terminal.note(progressLine(this.#labels[progress.task] ?? "", progress));
    }
  }

  /** A line above the board. */
  note(line: string): void {
    this.#erase();
    this.#terminal.note(line);
    if (this.#terminal.interactive) this.#redraw(this.#now());
  }

  /** Leaves the last state standing. */
  finish(): void {
    if (this.#terminal.interactive && this.#states.some((state) => state !== undefined)) this.#redraw(this.#now());
    this.#drawn = 0;
  }

  #erase(): void {
    if (this.#drawn > 0) this.#terminal.draw(`\u001B[${this.#drawn}A\u001B[0J`);
    this.#drawn = 0;
  }

  #redraw(now: number): void {
    this.#erase();
    this.#lastDraw = now;
    const room = Math.max(20, this.#terminal.width() - 1);
    const width = Math.max(...this.#labels.map((label) => label.length));
    const lines = this.#labels.map((label, index) => {
      const state = this.#states[index];
      const line = state === undefined ? `${label.padEnd(width)}  waiting` : progressLine(label.padEnd(width), state);
      return line.slice(0, room); // a wrapped line would break the count of lines to go up
    });
    this.#terminal.draw(`${lines.join("\n")}\n`);
    this.#drawn = lines.length;
  }
}

/** `name  epoch 12/30  step 960/2400  loss 0.1234  accuracy 94.2 %  12 345 samples/s  1:05 left`. */
export function progressLine(label: string, progress: MemberProgress): string {
  const { epoch, epochs, step, steps, loss, validation, samplesPerSecond, secondsLeft } = progress;
  const parts = [
    label,
    `epoch ${String(Math.min(epoch + 1, epochs)).padStart(String(epochs).length)}/${epochs}`,
    `step ${String(step).padStart(String(steps).length)}/${steps}`,
    `loss ${Number.isNaN(loss) ? "     -" : loss.toFixed(4)}`,
    `accuracy ${validation === undefined ? "     -" : `${(100 * validation.accuracy).toFixed(1).padStart(4)} %`}`,
    `${Math.round(samplesPerSecond)} samples/s`,
    step === steps ? "done" : `${duration(secondsLeft)} left`,
  ];
  return parts.join("  ");
}

/** `0:07`, `12:30`, `3:05:00`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "-:--";
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

const two = (number: number) => String(number).padStart(2, "0");
