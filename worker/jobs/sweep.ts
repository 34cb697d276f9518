import { WORKFLOW_KINDS } from "../../shared/jobs/spec.ts";
import { type JobRow, recordOfJob } from "../catalog/jobs.ts";
import type { Environment } from "../environment.ts";
import { refreshJob } from "./apply.ts";
import { sendCallback } from "./callbacks.ts";
import type { JobSources } from "./create.ts";
import { startWorkflowJob } from "./start-workflow.ts";

/** Jobs at a time; what is left is found the next time. */
const PAGE = 50;

/** A callback that is pending so long after the end was forgotten by whoever saw the end. */
const CALLBACK_DELAY_MS = 60_000;

/**
 * What time does to jobs: leases end, attempts take too long, nobody comes; what the deployment does itself and waits
 * for another attempt is begun.
 * @returns how many jobs something was due for
 */
export async function sweepJobs(environment: Environment, { now, randomBytes }: JobSources): Promise<number> {
  const { CATALOG } = environment;
  const at = now().getTime();
  const kinds = WORKFLOW_KINDS.map((kind) => `'${kind}'`).join(", ");
  const [waited, active, startable, untold] = await CATALOG.batch<JobRow>([
    CATALOG.prepare("SELECT * FROM jobs WHERE state = 'queued' AND queue_until <= ? LIMIT ?").bind(at, PAGE),
    CATALOG.prepare(
      `SELECT * FROM jobs WHERE state IN ('leased', 'running')
       AND (lease_expires_at <= ?1 OR (stop IS NULL AND deadline_at <= ?1) OR stop_by <= ?1) LIMIT ?2`,
    ).bind(at, PAGE),
    CATALOG.prepare(
      `SELECT * FROM jobs WHERE state = 'queued' AND kind IN (${kinds}) AND not_before <= ?1 AND queue_until > ?1 LIMIT ?2`,
    ).bind(at, PAGE),
    CATALOG.prepare("SELECT * FROM jobs WHERE callback_state = 'pending' AND finished_at <= ? LIMIT ?").bind(
      at - CALLBACK_DELAY_MS,
      PAGE,
    ),
  ]);
  const due = [...(waited?.results ?? []), ...(active?.results ?? [])].map(recordOfJob);
  for (const job of due) await refreshJob(environment, job, now);
  const idle = (startable?.results ?? []).map(recordOfJob);
  for (const job of idle) await startWorkflowJob(environment, job, now, randomBytes);
  const forgotten = (untold?.results ?? []).map(recordOfJob);
  for (const job of forgotten) await sendCallback(environment, job, now);
  return due.length + idle.length + forgotten.length;
}

/** Requests sweep too, so that jobs move without a schedule; one isolate not more often than this. */
const EVERY_MS = 1_000;

/** Of this isolate; by the catalog, since tests have several. */
const lastSweeps = new WeakMap<object, number>();

/** Sweeps unless that was done just now. */
export async function sweepNowAndThen(environment: Environment, sources: JobSources): Promise<void> {
  const at = sources.now().getTime();
  const last = lastSweeps.get(environment.CATALOG);
  // A clock that was set back does not stop it.
  if (last !== undefined && Math.abs(at - last) < EVERY_MS) return;
  lastSweeps.set(environment.CATALOG, at);
  await sweepJobs(environment, sources);
}
