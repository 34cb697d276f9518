import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import {
  createdJob,
  createJobRequest,
  jobDescription,
  jobPage,
  jobQuery,
  queueMetrics,
  queueQuery,
} from "../../shared/api/jobs.ts";
import { isFinal } from "../../shared/jobs/decide.ts";
import { jobId, type JobId } from "../../shared/jobs/job-id.ts";
import { Problem } from "../../shared/problem.ts";
import { requireScope } from "../auth/principal.ts";
import { queueFacts } from "../catalog/job-claims.ts";
import { listJobs, type JobRecord } from "../catalog/jobs.ts";
import type { AppContext } from "../environment.ts";
import { cancelJob, currentJob } from "../jobs/apply.ts";
import { createJob, describeCreated, scopesFor } from "../jobs/create.ts";
import { describeJob, summarizeJob } from "../jobs/describe.ts";
import { followJob } from "../jobs/follow-job.ts";
import { sweepNowAndThen } from "../jobs/sweep.ts";
import { seeThrough } from "./body.ts";
import { acknowledge, preferencesOf, waitFor } from "./preferences.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

/** When to ask again, in seconds. */
const RETRY_AFTER = "2";

const create = createRoute({
  method: "post",
  path: "/v1/jobs",
  summary: "Post a job: training for an agent, or a probe, a fusion or a pipeline for the deployment itself",
  description:
    "With an `Idempotency-Key` a repetition gets the first answer. With `deduplicate` a job of the same spec that is under " +
    "way or has succeeded is answered instead; labels, commit and callback do not count. A probe takes the scope `probe` " +
    "as well, a fusion and a pipeline `fuse`, an alias `publish`.",
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: createJobRequest } } } },
  responses: {
    200: jsonOf("There is such a job already", createdJob),
    201: jsonOf("The job", createdJob),
    ...problems,
  },
});

const list = createRoute({
  method: "get",
  path: "/v1/jobs",
  summary: "List jobs, newest first",
  description: "All filters that are given must fit.",
  security: bearer,
  request: { query: jobQuery },
  responses: { 200: jsonOf("A page", jobPage), ...problems },
});

const parameters = { params: z.object({ id: jobId }) };

const get = createRoute({
  method: "get",
  path: "/v1/jobs/{id}",
  summary: "A job: its state, its progress, what it made",
  description: "`Prefer: wait=30` waits for its end so long.",
  security: bearer,
  request: parameters,
  responses: { 200: jsonOf("The job", jobDescription), ...problems },
});

const cancel = createRoute({
  method: "delete",
  path: "/v1/jobs/{id}",
  summary: "Cancel a job",
  description:
    "One that waits is cancelled at once, and so is what the deployment does itself. An agent hears of it with its next " +
    "heartbeat, stops in good order, and then the job is cancelled. A job that is over stays as it is.",
  security: bearer,
  request: parameters,
  responses: { 200: jsonOf("The job as it is now", jobDescription), ...problems },
});

const events = createRoute({
  method: "get",
  path: "/v1/jobs/{id}/events",
  summary: "States and progress as server-sent events, until the job is over",
  description:
    "`state`: a change of its history; `progress`; `end`: the job. A comment every 15 seconds keeps the connection open. " +
    "A client that comes back with `Last-Event-ID` is told what is new; one that has seen the end gets 204.",
  security: bearer,
  request: { ...parameters, headers: z.object({ "last-event-id": z.string().optional() }) },
  responses: {
    204: { description: "The end was seen already" },
    200: { description: "Events", content: { "text/event-stream": { schema: { type: "string" as const } } } },
    ...problems,
  },
});

const queue = createRoute({
  method: "get",
  path: "/v1/queue",
  summary: "How much waits for agents",
  description: "For autoscalers, such as KEDA's metrics-api scaler with `valueLocation: queued`.",
  security: bearer,
  request: { query: queueQuery },
  responses: { 200: jsonOf("The queue", queueMetrics), ...problems },
});

/** Jobs, for those who post and watch them. */
export function jobRoutes({ now, randomBytes }: Dependencies) {
  const sources = { now, randomBytes };
  return newRouter()
    .openapi(create, async (c) => {
      const request = c.req.valid("json");
      for (const scope of scopesFor(request.spec)) requireScope(c, scope);
      const created = createJob(c.env, request, c.get("principal").id, sources);
      const { job, isNew } = await seeThrough(c, created);
      const body = await describeCreated(c.env, { job, isNew });
      c.header("location", `/v1/jobs/${job.id}`);
      c.header("cache-control", "no-store");
      return isNew ? c.json(body, 201) : c.json(body, 200);
    })
    .openapi(list, async (c) => {
      await sweepNowAndThen(c, sources);
      const { items, next } = await listJobs(c.env.CATALOG, c.req.valid("query"));
      c.header("cache-control", "no-store");
      return c.json({ items: items.map(summarizeJob), next }, 200);
    })
    .openapi(get, async (c) => {
      const { id } = c.req.valid("param");
      const preferences = { ...preferencesOf(c.req.header("prefer")), isAsync: false };
      const hasEnded = ({ status }: JobRecord) => isFinal(status.state);
      const seconds = preferences.waitSeconds ?? 0;
      const job = await waitFor(() => look(c, id), { hasEnded, seconds, now });
      acknowledge(c, preferences);
      if (!hasEnded(job)) c.header("retry-after", RETRY_AFTER);
      c.header("cache-control", "no-store");
      return c.json(await describeJob(c.env, job), 200);
    })
    .openapi(cancel, async (c) => {
      const job = await look(c, c.req.valid("param").id);
      const cancelled = await seeThrough(c, cancelJob(c.env, job, now));
      c.header("cache-control", "no-store");
      return c.json(await describeJob(c.env, cancelled), 200);
    })
    .openapi(events, async (c) => {
      const { id } = c.req.valid("param");
      await look(c, id);
      return followJob(c, () => look(c, id));
    })
    .openapi(queue, async (c) => {
      await sweepNowAndThen(c, sources);
      const { label, backend } = c.req.valid("query");
      const labels = label === undefined ? undefined : [label].flat();
      c.header("cache-control", "no-store");
      return c.json(await queueFacts(c.env.CATALOG, { labels, backend, at: now().getTime() }), 200);
    });

  /** A job as it is by now. @throws Problem `job-not-found` */
  async function look(c: AppContext, id: JobId): Promise<JobRecord> {
    await sweepNowAndThen(c, sources);
    const job = await currentJob(c.env, id, now);
    if (job === undefined) throw new Problem("job-not-found", `There is no job ${id}.`, { job: id });
    return job;
  }
}
