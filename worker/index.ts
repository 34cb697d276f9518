import { createApp } from "./app.ts";
import type { Environment } from "./environment.ts";
import { forgetOldJobs } from "./jobs/forget.ts";
import { sweepJobs } from "./jobs/sweep.ts";
import { sweepUploads } from "./sweeping/sweep.ts";

export { FuseWorkflow } from "./workflows/fuse-workflow.ts";
export { GateWorkflow } from "./workflows/gate-workflow.ts";
export { JobWorkflow } from "./workflows/job-workflow.ts";
export { ProbeWorkflow } from "./workflows/probe-workflow.ts";
export { SoupWorkflow } from "./workflows/soup-workflow.ts";

const now = () => new Date();

const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));

const app = createApp({ now, uniqueName: () => crypto.randomUUID(), randomBytes });

/** The schedule of what is done once a day, as wrangler.toml has it; any other one moves jobs. */
const DAILY = "17 3 * * *";

async function onSchedule(cron: string, environment: Environment): Promise<void> {
  if (cron === DAILY) {
    await sweepUploads(environment, now());
    await forgetOldJobs(environment, now());
  } else {
    await sweepJobs(environment, { now, randomBytes });
  }
}

/** Entry points of the worker: requests, and schedules where the deployment has them. */
export default {
  fetch: app.fetch,
  scheduled: ({ cron }, environment, context) => context.waitUntil(onSchedule(cron, environment)),
} satisfies ExportedHandler<Environment>;
