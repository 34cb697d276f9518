import { barLine, ProgressBar, type Unit } from "../command-line/progress-bar.ts";
import type { Terminal } from "../command-line/terminal.ts";

const BYTES: Unit = { amount: byteSize, rate: (perSecond) => `${byteSize(perSecond)}/s` };

/** Shows how far streaming has come: {@link ProgressBar} in bytes. */
export class ByteProgress extends ProgressBar {
  /** @param now milliseconds of a monotonic clock */
  constructor(terminal: Terminal, now: () => number) {
    super(terminal, now, BYTES);
  }
}

/** `fusing  [#####               ]  1.2 GB of 4.8 GB  812.0 MB/s  0:05 left`. */
export function progressLine(label: string, done: number, total: number | undefined, seconds: number): string {
  return barLine(label, done, total, seconds, BYTES);
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
