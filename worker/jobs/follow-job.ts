import { isFinal } from "../../shared/jobs/decide.ts";
import type { JobRecord } from "../catalog/jobs.ts";
import type { AppContext } from "../environment.ts";
import { summarizeJob } from "./describe.ts";
import { type EventTiming, type Look, nothingMore, serverEvents } from "./server-events.ts";

const END = /^(\d+)-end$/;

/**
 * A job as it goes on, as server-sent events: `state` for each change of its history, `progress` in between, `end` with
 * the job when it is over.
 * @param look the job as it is now
 */
export function followJob(c: AppContext, look: () => Promise<JobRecord>, timing?: EventTiming): Response {
  const seen = c.req.header("last-event-id");
  if (seen !== undefined && END.test(seen)) return nothingMore(c);
  let told = seen !== undefined && /^\d{1,6}$/.test(seen) ? Number(seen) : 0;
  let progressTold: string | undefined;
  const next = async (): Promise<Look> => {
    const job = await look();
    const hasEnded = isFinal(job.status.state);
    const events = job.changes
      .filter(({ number }) => number > told)
      .map((change) => ({ event: "state", id: String(change.number), data: JSON.stringify(change) }));
    told = Math.max(told, job.changes.length);
    const progress = job.progress === null ? undefined : JSON.stringify(job.progress);
    if (progress !== undefined && progress !== progressTold) {
      progressTold = progress;
      events.push({ event: "progress", id: String(told), data: progress });
    }
    if (hasEnded) events.push({ event: "end", id: `${told}-end`, data: JSON.stringify(summarizeJob(job)) });
    return { events, hasEnded };
  };
  return serverEvents(c, next, timing);
}
