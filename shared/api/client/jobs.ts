import type { JobId } from "../../jobs/job-id.ts";
import { isFinal } from "../../jobs/reasons.ts";
import type { CreatedJob, CreateJobRequest, JobDescription, JobQuery, JobSummary, QueueMetrics } from "../jobs.ts";
import { type Connection, queryText } from "./connection.ts";

/** As long as the deployment holds a request. */
const WAIT_SECONDS = 30;

/** Where progress is watched. */
const WATCH_SECONDS = 2;

/** Between two looks. */
const POLL_MS = 200;

/** A piece of a log, and where the next one begins. */
export interface LogText {
  readonly text: string;
  readonly next: number;
}

/**
 * Jobs: what agents train, and what the deployment does itself with what they trained.
 * @example
 * ```ts
 * const spec = { version: 1, kind: "train", options: { dataset: "mnist", models: 2 } } as const;
 * const job = await client.jobs.create({ spec, deduplicate: true });
 * const { state, reason, outputs } = await client.jobs.wait(job.id);
 * ```
 */
export class JobCalls {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Posts a job.
   * @param key for `Idempotency-Key`, such as the id of a run of CI: whoever posts with the same key within a day gets the
   *   same job. A fresh one by default, so that only repetitions of this very request are one.
   */
  create(request: CreateJobRequest, key?: string): Promise<CreatedJob> {
    const options = key === undefined ? { once: true } : { headers: { "idempotency-key": key } };
    return this.#connection.json("POST", "/v1/jobs", { body: request, ...options });
  }

  get(id: JobId): Promise<JobDescription> {
    return this.#connection.json("GET", `/v1/jobs/${id}`);
  }

  /** Jobs, newest first. */
  list(filter: Partial<Omit<JobQuery, "cursor">> = {}): AsyncGenerator<JobSummary> {
    return this.#connection.pages("/v1/jobs", filter);
  }

  /** Cancels a job. Whoever has it needs a moment to stop: {@link JobCalls.wait} for the end. One that is over stays. */
  cancel(id: JobId): Promise<JobDescription> {
    return this.#connection.json("DELETE", `/v1/jobs/${id}`);
  }

  /**
   * Waits until a job is over.
   * @param onProgress called with every description on the way
   */
  async wait(id: JobId, onProgress?: (job: JobDescription) => void): Promise<JobDescription> {
    const seconds = onProgress === undefined ? WAIT_SECONDS : WATCH_SECONDS;
    for (;;) {
      const headers = { prefer: `wait=${seconds}` };
      const job = await this.#connection.json<JobDescription>("GET", `/v1/jobs/${id}`, { headers });
      onProgress?.(job);
      if (isFinal(job.state)) return job;
      await this.#connection.wait(POLL_MS);
    }
  }

  /** What the job's process wrote, from a byte on, as far as it has come. */
  async log(id: JobId, offset = 0): Promise<LogText> {
    const response = await this.#connection.send("GET", `/v1/jobs/${id}/log${queryText({ offset })}`);
    const text = await response.text();
    return { text, next: Number(response.headers.get("edgefuse-log-next") ?? offset) };
  }

  /** How much waits for agents. */
  queue(): Promise<QueueMetrics> {
    return this.#connection.json("GET", "/v1/queue");
  }
}
