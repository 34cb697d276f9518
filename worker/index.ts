import { createApp } from "./app.ts";
import type { Environment } from "./environment.ts";
import { sweepUploads } from "./sweeping/sweep.ts";

export { FuseWorkflow } from "./workflows/fuse-workflow.ts";
export { ProbeWorkflow } from "./workflows/probe-workflow.ts";

const now = () => new Date();

const app = createApp({
  now,
  uniqueName: () => crypto.randomUUID(),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
});

/** Entry points of the worker: requests, and a schedule where the deployment has one. */
export default {
  fetch: app.fetch,
  scheduled: (_controller, environment, context) => context.waitUntil(sweepUploads(environment, now())),
} satisfies ExportedHandler<Environment>;
