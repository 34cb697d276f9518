import { duration } from "../command-line/progress-board.ts";
import type { Terminal } from "../command-line/terminal.ts";
import type { StudyProgress } from "./run-studies.ts";

/** Milliseconds between redraws of a terminal, and between lines elsewhere. */
const REDRAW_INTERVAL = 200;
const LINE_INTERVAL = 15_000;

/** Shows on stderr how far an experiment is: one line, redrawn in place on a terminal, now and then in a log. */
export class StudyProgressLine {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  readonly #began: number;
  #last = -Infinity;
  #drawn = false;

  /** @param now milliseconds of a monotonic clock */
  constructor(terminal: Terminal, now: () => number) {
    this.#terminal = terminal;
    this.#now = now;
    this.#began = now();
  }

  update(progress: StudyProgress): void {
    const now = this.#now();
    const interval = this.#terminal.interactive ? REDRAW_INTERVAL : LINE_INTERVAL;
    if (progress.families < progress.total && now - this.#last < interval) return;
    this.#last = now;
    const line = this.#describe(progress, now);
    if (this.#terminal.interactive) {
      this.#erase();
      this.#terminal.draw(line.slice(0, Math.max(20, this.#terminal.width() - 1)));
      this.#drawn = true;
    } else {
      this.#terminal.note(line);
    }
  }

  /** A line above this one. */
  note(line: string): void {
    this.#erase();
    this.#terminal.note(line);
  }

  /** Leaves no trace on a terminal. */
  finish(): void {
    this.#erase();
  }

  #erase(): void {
    if (this.#drawn) this.#terminal.draw("\r\u001B[0K");
    this.#drawn = false;
  }

  /** `12 of 50 families  2:10 gone  about 6:30 left  mnist-mlp-6x128-f0.4-s101-1: epoch 3/30, loss 0.12`. */
  #describe({ families, total, latest }: StudyProgress, now: number): string {
    const gone = (now - this.#began) / 1000;
    const left = families === 0 ? Infinity : (gone / families) * (total - families);
    const model =
      latest === undefined
        ? ""
        : `  ${latest.label}: epoch ${Math.min(latest.epoch + 1, latest.epochs)}/${latest.epochs}, loss ${latest.loss.toFixed(3)}`;
    return `${families} of ${total} families  ${duration(gone)} gone  about ${duration(left)} left${model}`;
  }
}
