/** Work may go on for so long before others get a turn. */
const BREATH_MS = 50;

/**
 * Lets others in while long work goes on. Where the bucket answers from the same process (local development), a loop of
 * reads and computing never leaves the event loop idle, and an idle loop is when requests are looked at: without a
 * breath now and then, progress could not be asked for and nothing could be cancelled.
 */
export class Breather {
  #last = Date.now();

  async breathe(): Promise<void> {
    if (Date.now() - this.#last < BREATH_MS) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
    this.#last = Date.now();
  }
}
