import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { checkpointDescription, SAFETENSORS_MEDIA_TYPES } from "../../shared/api/checkpoints.ts";
import {
  claimedJob,
  claimRequest,
  completeRequest,
  heartbeatAnswer,
  heartbeatRequest,
  jobDescription,
  jobFile,
  jobFileName,
  knownOutput,
} from "../../shared/api/jobs.ts";
import { jobId } from "../../shared/jobs/job-id.ts";
import { Problem } from "../../shared/problem.ts";
import { hasScope, insufficientScope } from "../auth/principal.ts";
import { findFile } from "../catalog/job-files.ts";
import { type AppContext, limitsOf } from "../environment.ts";
import { beatJob, claimNext } from "../jobs/attempt.ts";
import { completeAttempt } from "../jobs/complete.ts";
import { describeJob } from "../jobs/describe.ts";
import { requireHeld, requireLease, shownLease } from "../jobs/lease.ts";
import { postOutput, recordOutput } from "../jobs/post-output.ts";
import { jobFileKey, storeFile } from "../jobs/store-file.ts";
import { sweepNowAndThen } from "../jobs/sweep.ts";
import { announcedName } from "../objects/names.ts";
import { openObject, serveRepresentation } from "../objects/serve.ts";
import { announcedFile, mediaType, requireMediaType, seeThrough } from "./body.ts";
import { bearer, bytesOf, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const parameters = { params: z.object({ id: jobId }) };
const fileParameters = { params: z.object({ id: jobId, name: jobFileName }) };
const binary = { schema: { type: "string" as const, format: "binary" } };

const claim = createRoute({
  method: "post",
  path: "/v1/jobs/claim",
  summary: "Take the job that has waited longest and that an agent can do",
  description:
    "The lease's token goes in `edgefuse-lease` with everything about the job. It holds as long as there are heartbeats; " +
    "once it is lost, whatever the attempt sends is refused with 409 `lease-lost`.",
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: claimRequest } } } },
  responses: {
    200: jsonOf("The job", claimedJob),
    204: { description: "Nothing waits that fits; `Retry-After` says when to ask again" },
    ...problems,
  },
});

const heartbeat = createRoute({
  method: "post",
  path: "/v1/jobs/{id}/heartbeat",
  summary: "Show that an attempt is alive, and hear whether it shall stop",
  security: bearer,
  request: { ...parameters, body: { content: { "application/json": { schema: heartbeatRequest } } } },
  responses: { 200: jsonOf("The lease goes on", heartbeatAnswer), ...problems },
});

const putFile = createRoute({
  method: "put",
  path: "/v1/jobs/{id}/files/{name}",
  summary: "Keep a file for the next attempt, or for those who posted the job",
  description: "With `Content-Length` and `Repr-Digest: sha-256=:…:`. A later file of the same name takes its place.",
  security: bearer,
  request: { ...fileParameters, body: { content: { "application/octet-stream": binary } } },
  responses: { 200: jsonOf("It is kept", jobFile), ...problems },
});

const getFile = createRoute({
  method: "get",
  path: "/v1/jobs/{id}/files/{name}",
  summary: "A file that an attempt has kept: the newest of its name",
  description: "With a lease of the job, or with the scope `jobs` or `read`.",
  security: bearer,
  request: fileParameters,
  responses: { ...bytesOf("The file", "application/octet-stream"), ...problems },
});

const output = createRoute({
  method: "post",
  path: "/v1/jobs/{id}/outputs",
  summary: "Register a checkpoint that the job made",
  description: "As `POST /v1/checkpoints` takes it; or `{checkpoint}` for one that is registered already.",
  security: bearer,
  request: {
    ...parameters,
    body: {
      content: {
        "application/json": { schema: knownOutput },
        ...Object.fromEntries(SAFETENSORS_MEDIA_TYPES.map((type) => [type, binary])),
      },
    },
  },
  responses: {
    200: jsonOf("The checkpoint was known already", checkpointDescription),
    201: jsonOf("The checkpoint is registered", checkpointDescription),
    ...problems,
  },
});

const complete = createRoute({
  method: "post",
  path: "/v1/jobs/{id}/complete",
  summary: "Say how an attempt ended",
  description: "The job is over, or waits for another attempt. Saying it twice is saying it once.",
  security: bearer,
  request: { ...parameters, body: { required: true, content: { "application/json": { schema: completeRequest } } } },
  responses: { 200: jsonOf("The job as it is now", jobDescription), ...problems },
});

/** Jobs, for the agents that do them. */
export function jobAttemptRoutes(dependencies: Dependencies) {
  const { now, uniqueName } = dependencies;
  return newRouter()
    .openapi(claim, async (c) => {
      await sweepNowAndThen(c, dependencies);
      const claimed = await seeThrough(c, claimNext(c.env, c.req.valid("json"), dependencies));
      c.header("cache-control", "no-store");
      if (claimed !== undefined) return c.json(claimed, 200);
      c.header("retry-after", String(Math.ceil(Math.min(10, limitsOf(c.env).heartbeatSeconds))));
      return c.body(null, 204);
    })
    .openapi(heartbeat, async (c) => {
      const { id } = c.req.valid("param");
      const lease = await requireLease(c, id);
      const { progress } = heartbeatRequest.parse(c.req.valid("json") ?? {});
      c.header("cache-control", "no-store");
      return c.json(await beatJob(c.env, id, { lease, progress }, now), 200);
    })
    .openapi(putFile, async (c) => {
      const { id, name } = c.req.valid("param");
      const held = await requireHeld(c, id);
      const { body, length, announced } = announcedFile(c);
      if (length === undefined || announced === undefined) {
        throw new Problem("malformed-request", "Send Content-Length and Repr-Digest with the file.");
      }
      return c.json(await seeThrough(c, storeFile(c.env, held, { name, body, length, announced }, now())), 200);
    })
    .openapi(getFile, async (c) => {
      const { id, name } = c.req.valid("param");
      if ((await shownLease(c, id)) !== undefined) await requireHeld(c, id);
      else if (!hasScope(c, "jobs") && !hasScope(c, "read")) throw insufficientScope(["jobs", "read"]);
      const file = await findFile(c.env.CATALOG, id, name);
      if (file === undefined) throw new Problem("object-not-found", `The job ${id} has no file ${name}.`, { job: id });
      const representation = {
        bytes: file.bytes,
        sha256: file.sha256,
        contentType: "application/octet-stream",
        isPublic: false,
        open: openObject(c.env.BUCKET, jobFileKey(id, file)),
      };
      const headers = { "content-disposition": `attachment; filename="${name}"` };
      return serveRepresentation(c, representation, { freshness: "brief", headers });
    })
    .openapi(output, async (c) => {
      const { id } = c.req.valid("param");
      requireMediaType(c, ["application/json", ...SAFETENSORS_MEDIA_TYPES]);
      const held = await requireHeld(c, id);
      const { body, isNew } = await seeThrough(
        c,
        mediaType(c) === "application/json"
          ? recordOutput(c.env, held, knownOutput.parse(c.req.valid("json")), now())
          : postOutput(c.env, held, { ...announcedFile(c), name: nameOf(c) }, { at: now(), uniqueName }),
      );
      c.header("location", `/v1/checkpoints/${body.id}`);
      return isNew ? c.json(body, 201) : c.json(body, 200);
    })
    .openapi(complete, async (c) => {
      const { id } = c.req.valid("param");
      const lease = await requireLease(c, id);
      const job = await seeThrough(c, completeAttempt(c.env, id, lease, c.req.valid("json"), now));
      c.header("cache-control", "no-store");
      return c.json(await describeJob(c.env, job), 200);
    });
}

function nameOf(c: AppContext): string | null {
  return announcedName(c.req.header("content-disposition"));
}
