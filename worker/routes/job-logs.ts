import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { logReadQuery, logWriteAnswer, logWriteQuery, MOST_LOG_CHUNK_BYTES } from "../../shared/api/jobs.ts";
import { jobId } from "../../shared/jobs/job-id.ts";
import { Problem } from "../../shared/problem.ts";
import { requireJob } from "../catalog/jobs.ts";
import type { AppContext } from "../environment.ts";
import { requireHeld } from "../jobs/lease.ts";
import { followLog, logText, NEXT_FIELD } from "../jobs/read-log.ts";
import { writeLog } from "../jobs/write-log.ts";
import { announcedFile, seeThrough } from "./body.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { newRouter } from "./router.ts";

const parameters = z.object({ id: jobId });

const read = createRoute({
  method: "get",
  path: "/v1/jobs/{id}/log",
  summary: "What a job's process wrote, of all attempts",
  description:
    "Text, from `offset` on; `edgefuse-log-next` is the offset to go on from. With `Accept: text/event-stream` as it " +
    'grows: events `log` with `{"offset", "next", "text"}`, then `end`; `Last-Event-ID` goes on where a client was. ' +
    "Control characters are shown as `\\x1b`, and what looks like a secret as asterisks.",
  security: bearer,
  request: {
    params: parameters,
    query: logReadQuery,
    headers: z.object({ "last-event-id": z.string().optional() }),
  },
  responses: {
    204: { description: "The end was seen already" },
    200: {
      description: "The log",
      content: {
        "text/plain": { schema: { type: "string" as const } },
        "text/event-stream": { schema: { type: "string" as const } },
      },
    },
    ...problems,
  },
});

const write = createRoute({
  method: "post",
  path: "/v1/jobs/{id}/log",
  summary: "Append to the log of a job that one has",
  description:
    `A chunk of up to ${MOST_LOG_CHUNK_BYTES} bytes, as it is; \`offset\` is where it begins in what this attempt has ` +
    "sent. The same chunk twice is stored once. 409 `log-gap` tells where the log ends.",
  security: bearer,
  request: {
    params: parameters,
    query: logWriteQuery,
    body: { content: { "text/plain": { schema: { type: "string" as const } } } },
  },
  responses: { 200: jsonOf("It is there", logWriteAnswer), ...problems },
});

/** Logs of jobs. */
export function jobLogRoutes() {
  return newRouter()
    .openapi(read, async (c) => {
      const { id } = c.req.valid("param");
      const { offset } = c.req.valid("query");
      const job = await requireJob(c.env.CATALOG, id);
      if (/\btext\/event-stream\b/i.test(c.req.header("accept") ?? "")) return followLog(c, id, offset);
      return c.body(logText(c.env, id, { begin: offset, end: job.logBytes }), 200, {
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "no-store",
        "content-disposition": "inline",
        vary: "Accept, Authorization",
        [NEXT_FIELD]: String(Math.max(offset, job.logBytes)),
      });
    })
    .openapi(write, async (c) => {
      const { id } = c.req.valid("param");
      const { offset } = c.req.valid("query");
      const held = await requireHeld(c, id);
      const chunk = await readChunk(c);
      return c.json(await seeThrough(c, writeLog(c.env, held, offset, chunk)), 200);
    });
}

/** @throws Problem `payload-too-large` */
async function readChunk(c: AppContext): Promise<Uint8Array> {
  if (c.req.raw.body === null) return new Uint8Array(0);
  const { body } = announcedFile(c, MOST_LOG_CHUNK_BYTES);
  const held = new Uint8Array(MOST_LOG_CHUNK_BYTES);
  let filled = 0;
  for await (const piece of body) {
    if (filled + piece.length > held.length) {
      throw new Problem("payload-too-large", `A chunk of a log has at most ${MOST_LOG_CHUNK_BYTES} bytes.`, {
        limit: MOST_LOG_CHUNK_BYTES,
      });
    }
    held.set(piece, filled);
    filled += piece.length;
  }
  return held.subarray(0, filled);
}
