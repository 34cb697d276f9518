import { duration } from "./progress-board.ts";
import type { Terminal } from "./terminal.ts";

/** Milliseconds before anything is shown, between redraws of a terminal, and between lines elsewhere. */
const PATIENCE = 2_000;
const REDRAW_INTERVAL = 100;
const LINE_INTERVAL = 5_000;
const BAR_WIDTH = 20;

/** What is counted: how an amount reads, and how a rate does; a rate of nothing is not shown. */
export interface Unit {
  amount(done: number): string;
  rate?(perSecond: number): string;
}

/**
 * Shows how far a stage of work has come, on stderr: the amount, its rate and the time left. On a terminal one line
 * redrawn in place, elsewhere a line every few seconds. Work of less than two seconds passes in silence.
 */
export class ProgressBar {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  readonly #unit: Unit;
  readonly #started: number;
  #stage: { readonly label: string; readonly total: number | undefined; readonly began: number } | undefined;
  #done = 0;
  #lastShown = -Infinity;
  #isDrawn = false;

  /** @param now milliseconds of a monotonic clock */
  constructor(terminal: Terminal, now: () => number, unit: Unit = COUNT) {
    this.#terminal = terminal;
    this.#now = now;
    this.#unit = unit;
    this.#started = now();
  }

  /** @param total of the stage; undefined where it is not known */
  begin(label: string, total?: number): void {
    this.end();
    this.#stage = { label, total, began: this.#now() };
    this.#done = 0;
  }

  /** @param amount since the last call */
  advance(amount: number): void {
    this.#done += amount;
    const now = this.#now();
    if (this.#stage === undefined || now - this.#started < PATIENCE) return;
    if (now - this.#lastShown < (this.#terminal.interactive ? REDRAW_INTERVAL : LINE_INTERVAL)) return;
    this.#lastShown = now;
    this.#show(now);
  }

  /** Ends a stage; a line that was drawn stays, in its last state. */
  end(): void {
    if (this.#isDrawn) {
      this.#show(this.#now());
      this.#terminal.draw("\n");
    }
    this.#isDrawn = false;
    this.#stage = undefined;
  }

  #show(now: number): void {
    if (this.#stage === undefined) return;
    const { label, total, began } = this.#stage;
    const line = barLine(label, this.#done, total, (now - began) / 1000, this.#unit);
    if (this.#terminal.interactive) {
      // A wrapped line could not be taken back.
      this.#terminal.draw(`\r\u001B[2K${line.slice(0, Math.max(20, this.#terminal.width() - 1))}`);
      this.#isDrawn = true;
    } else {
      this.#terminal.note(line);
    }
  }
}

/** Things that are counted one by one. */
export const COUNT: Unit = { amount: (done) => String(Math.round(done)) };

/** `probing  [#####               ]  12 of 48  0:05 left`. */
export function barLine(
  label: string,
  done: number,
  total: number | undefined,
  seconds: number,
  unit: Unit = COUNT,
): string {
  const rate = seconds > 0 ? done / seconds : 0;
  const parts = [label];
  if (total !== undefined) {
    const filled = Math.round(BAR_WIDTH * Math.min(1, total === 0 ? 1 : done / total));
    parts.push(`[${"#".repeat(filled).padEnd(BAR_WIDTH)}]`);
  }
  parts.push(total === undefined ? unit.amount(done) : `${unit.amount(done)} of ${unit.amount(total)}`);
  if (unit.rate !== undefined) parts.push(unit.rate(rate));
  if (total !== undefined) {
    parts.push(done >= total ? `done in ${duration(seconds)}` : `${duration((total - done) / rate)} left`);
  }
  return parts.join("  ");
}
