/** Measures how fast a run goes and says when to report. The clock is passed in, in milliseconds. */
export class Pace {
  readonly #now: () => number;
  readonly #interval: number;
  readonly #start: number;
  #lastReport: number;

  /** @param interval least milliseconds between reports */
  constructor(now: () => number, interval: number) {
    this.#now = now;
    this.#interval = interval;
    this.#start = now();
    this.#lastReport = this.#start;
  }

  /** Whether a report is due; answering yes begins the next interval. */
  due(): boolean {
    const now = this.#now();
    if (now - this.#lastReport < this.#interval) return false;
    this.#lastReport = now;
    return true;
  }

  seconds(): number {
    return (this.#now() - this.#start) / 1000;
  }

  /** Steps a second so far, and the seconds that the remaining steps take at that rate. */
  estimate(step: number, steps: number): { stepsPerSecond: number; secondsLeft: number } {
    const stepsPerSecond = step / Math.max(this.seconds(), 1e-3);
    return { stepsPerSecond, secondsLeft: step === 0 ? Infinity : (steps - step) / stepsPerSecond };
  }
}
