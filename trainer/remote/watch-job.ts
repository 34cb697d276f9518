import type { JobDescription } from "../../shared/api/jobs.ts";
import { isFinal } from "../../shared/jobs/decide.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import { showLog } from "../../shared/jobs/log-text.ts";
import type { RemoteWorker } from "./connect.ts";

/** Between two looks at a job. */
const POLL_MS = 500;

export interface JobWatch {
  /** Called with each line of the log, fit to be shown on a terminal. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Called with every description on the way. */
  readonly onChange?: ((job: JobDescription) => void) | undefined;
}

/**
 * Follows a job until it is over.
 * @returns the job as it ended
 * @throws Failure as {@link RemoteWorker.ask}
 */
export async function watchJob(
  worker: RemoteWorker,
  id: JobId,
  { onLine, onChange }: JobWatch,
): Promise<JobDescription> {
  const log = onLine === undefined ? undefined : new LogReader(worker, id, onLine);
  for (;;) {
    const job = await worker.ask(`show the job ${id}`, () => worker.client.jobs.get(id));
    // Asked for after the job: one that is over writes nothing more.
    await log?.read();
    if (isFinal(job.state)) log?.end();
    onChange?.(job);
    if (isFinal(job.state)) return job;
    await worker.wait(POLL_MS);
  }
}

/** Reads a log piece by piece, each byte once. */
export class LogReader {
  readonly #worker: RemoteWorker;
  readonly #id: JobId;
  readonly #onLine: (line: string) => void;
  #offset = 0;
  /** The beginning of a line whose end has not come yet. */
  #begun = "";

  /** @param onLine called with each line, fit to be shown on a terminal */
  constructor(worker: RemoteWorker, id: JobId, onLine: (line: string) => void) {
    this.#worker = worker;
    this.#id = id;
    this.#onLine = onLine;
  }

  /** Reads what is new. */
  async read(): Promise<void> {
    const { client } = this.#worker;
    const { text, next } = await this.#worker.ask(`show the log of ${this.#id}`, () =>
      client.jobs.log(this.#id, this.#offset),
    );
    this.#offset = next;
    const lines = (this.#begun + text).split("\n");
    this.#begun = lines.pop() ?? "";
    for (const line of lines) this.#onLine(showLog(line));
  }

  /** Gives a last line that has no end. */
  end(): void {
    if (this.#begun !== "") this.#onLine(showLog(this.#begun));
    this.#begun = "";
  }
}
