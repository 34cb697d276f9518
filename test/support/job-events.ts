import type { JobStatus } from "../../shared/jobs/decide.ts";

/** The earliest time at which something happens to a job by itself. */
export function pastDue({ state, leaseExpiresAt, deadlineAt, stopBy, stop, queueUntil }: JobStatus): number {
  if (state === "queued") return queueUntil;
  const times = [leaseExpiresAt, stop === null ? deadlineAt : stopBy].filter((time) => time !== null);
  return Math.min(...times);
}
