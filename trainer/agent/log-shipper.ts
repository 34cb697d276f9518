import { ApiError } from "../../shared/api/index.ts";
import { type LogWriteAnswer, MOST_LOG_CHUNK_BYTES } from "../../shared/api/jobs.ts";
import type { LeaseCalls } from "./lease-calls.ts";
import { LogBuffer } from "./log-buffer.ts";
import { type Persistence, persistently } from "./persistence.ts";

/** Log that is kept while the deployment does not answer. */
const WAITING_BYTES = 2 ** 20;

/** Sends a job's log as it grows. */
export class LogShipper {
  readonly #calls: Pick<LeaseCalls, "log">;
  readonly #buffer = new LogBuffer({ chunkBytes: MOST_LOG_CHUNK_BYTES, waitingBytes: WAITING_BYTES });
  /** The log has all that it may have. */
  #isFull = false;
  #sending: Promise<void> = Promise.resolve();

  constructor(calls: Pick<LeaseCalls, "log">) {
    this.#calls = calls;
  }

  append(line: string): void {
    if (!this.#isFull) this.#buffer.append(line);
  }

  /**
   * Sends what there is. Calls at the same time follow each other: a log has one end.
   * @throws LeaseLost; what else {@link persistently} gives up with
   */
  flush(persistence: Persistence): Promise<void> {
    const sending = this.#sending.then(() => this.#send(persistence));
    this.#sending = sending.catch(() => undefined);
    return sending;
  }

  async #send(persistence: Persistence): Promise<void> {
    for (let chunk = this.#buffer.take(); chunk !== undefined; chunk = this.#buffer.take()) {
      const sent = chunk;
      let answer: Pick<LogWriteAnswer, "next" | "truncated">;
      try {
        answer = await persistently(() => this.#calls.log(sent), persistence);
      } catch (error) {
        const end = endOfLog(error);
        // Only a deployment that lost something has a log that ends before what it confirmed.
        if (end === undefined || end >= sent.offset) throw error;
        this.#buffer.moveTo(end);
        continue;
      }
      this.#buffer.confirm();
      this.#buffer.moveTo(answer.next);
      if (!answer.truncated) continue;
      this.#isFull = true;
      return;
    }
  }
}

/** Where the log ends of which a chunk did not begin there. */
function endOfLog(error: unknown): number | undefined {
  const next = error instanceof ApiError && error.code === "log-gap" ? error.problem?.["next"] : undefined;
  return typeof next === "number" ? next : undefined;
}
