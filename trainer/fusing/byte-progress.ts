import { duration } from "../command-line/progress-board.ts";
import type { Terminal } from "../command-line/terminal.ts";

/** Milliseconds before anything is shown, between redraws of a terminal, and between lines elsewhere. */
const PATIENCE = 2_000;
const REDRAW_INTERVAL = 100;
const LINE_INTERVAL = 5_000;
const BAR_WIDTH = 20;

/**
 * Shows how far streaming has come, on stderr: bytes, rate and time left. On a terminal one line redrawn in place,
 * elsewhere a line every few seconds. Work of less than two seconds passes in silence.
 */
export class ByteProgress {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  readonly #started: number;
  #stage: { readonly label: string; readonly total: number | undefined; readonly began: number } | undefined;
  #done = 0;
  #lastShown = -Infinity;
  #isDrawn = false;

  /** @param now milliseconds of a monotonic clock */
  constructor(terminal: Terminal, now: () => number) {
    this.#terminal = terminal;
    this.#now = now;
    this.#started = now();
  }

  /** @param total bytes of the stage; undefined where they are not known */
  begin(label: string, total?: number): void {
    this.end();
    this.#stage = { label, total, began: this.#now() };
    this.#done = 0;
  }

  /** @param bytes since the last call */
  advance(bytes: number): void {
    this.#done += bytes;
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
    const line = progressLine(label, this.#done, total, (now - began) / 1000);
    if (this.#terminal.interactive) {
      // A wrapped line could not be taken back.
      this.#terminal.draw(`\r\u001B[2K${line.slice(0, Math.max(20, this.#terminal.width() - 1))}`);
      this.#isDrawn = true;
    } else {
      this.#terminal.note(line);
    }
  }
}

/** `fusing  [#####               ]  1.2 GB of 4.8 GB  812.0 MB/s  0:05 left`. */
export function progressLine(label: string, done: number, total: number | undefined, seconds: number): string {
  const rate = seconds > 0 ? done / seconds : 0;
  const parts = [label];
  if (total !== undefined) {
    const filled = Math.round(BAR_WIDTH * Math.min(1, total === 0 ? 1 : done / total));
    parts.push(`[${"#".repeat(filled).padEnd(BAR_WIDTH)}]`);
  }
  parts.push(total === undefined ? byteSize(done) : `${byteSize(done)} of ${byteSize(total)}`, `${byteSize(rate)}/s`);
  if (total !== undefined) {
    parts.push(done >= total ? `done in ${duration(seconds)}` : `${duration((total - done) / rate)} left`);
  }
  return parts.join("  ");
}

/** `512 B`, `12.3 MB`, `1.2 GB`: powers of 1000. */
export function byteSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = bytes;
  let unit = 0;
  while (size >= 999.95 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${unit === 0 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}
