import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import {
  completeUploadRequest,
  createUploadRequest,
  uploadDescription,
  uploadId,
  uploadPart,
  uploadResult,
} from "../../shared/api/uploads.ts";
import { limitsOf } from "../environment.ts";
import { completeUpload } from "../uploading/complete.ts";
import { describeUpload } from "../uploading/describe.ts";
import { receivePart } from "../uploading/receive-part.ts";
import { beginUpload, discardUpload, requireUpload } from "../uploading/upload.ts";
import { announcedFile, seeThrough } from "./body.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const begin = createRoute({
  method: "post",
  path: "/v1/uploads",
  summary: "Begin to upload a file in parts",
  description:
    "For files above the request limit, and for lines that break. The answer says how long each part is and where it " +
    "goes. Parts come in any order, several at a time, and may be sent again; what has arrived stays there for three days " +
    "after the last part.",
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: createUploadRequest } } } },
  responses: { 201: jsonOf("The upload", uploadDescription), ...problems },
});

const parameters = z.object({ id: uploadId });

const describe = createRoute({
  method: "get",
  path: "/v1/uploads/{id}",
  summary: "An upload, and which of its parts have arrived",
  security: bearer,
  request: { params: parameters },
  responses: { 200: jsonOf("The upload", uploadDescription), ...problems },
});

const putPart = createRoute({
  method: "put",
  path: "/v1/uploads/{id}/parts/{number}",
  summary: "Send a part",
  description:
    "The same part sent again takes the place of the earlier one. `Content-Digest: sha-256=:…:` is verified where it is " +
    "sent.",
  security: bearer,
  request: {
    params: parameters.extend({ number: z.coerce.number().int().min(1).max(10_000) }),
    body: {
      required: true,
      content: { "application/octet-stream": { schema: { type: "string" as const, format: "binary" } } },
    },
  },
  responses: { 200: jsonOf("The part is there", uploadPart), ...problems },
});

const complete = createRoute({
  method: "post",
  path: "/v1/uploads/{id}/complete",
  summary: "Put the parts together, verify the file and register it",
  description:
    "The answer is that of `POST /v1/checkpoints` or `POST /v1/shards`, and the same when asked again. A file that is not " +
    "what it should be is discarded with its upload; after any other failure the call can be repeated.",
  security: bearer,
  request: { params: parameters, body: { content: { "application/json": { schema: completeUploadRequest } } } },
  responses: {
    200: jsonOf("The file was known already", uploadResult),
    201: jsonOf("The file is registered", uploadResult),
    ...problems,
  },
});

const abort = createRoute({
  method: "delete",
  path: "/v1/uploads/{id}",
  summary: "Give an upload up; nothing of it remains but what it was completed to",
  security: bearer,
  request: { params: parameters },
  responses: { 204: { description: "It is gone" }, ...problems },
});

/** Uploads: files that come in parts. */
export function uploadRoutes({ now, uniqueName }: Dependencies) {
  return newRouter()
    .openapi(begin, async (c) => {
      const at = now();
      const upload = await seeThrough(
        c,
        beginUpload(c.env, c.req.valid("json"), {
          id: uploadId.parse(uniqueName()),
          at,
          by: c.get("principal").id,
          maxRequestBytes: limitsOf(c.env).maxUploadBytes,
        }),
      );
      const body = await describeUpload(c.env, upload, at);
      c.header("location", body.links.self);
      return c.json(body, 201);
    })
    .openapi(describe, async (c) => {
      const upload = await requireUpload(c.env.CATALOG, c.req.valid("param").id, now());
      c.header("cache-control", "no-store");
      return c.json(await describeUpload(c.env, upload, now()), 200);
    })
    .openapi(putPart, async (c) => {
      const { id, number } = c.req.valid("param");
      const upload = await requireUpload(c.env.CATALOG, id, now());
      const { body, length, announced } = announcedFile(c, Number.MAX_SAFE_INTEGER);
      const part = await seeThrough(c, receivePart(c.env, upload, { number, body, length, announced }, now));
      return c.json({ number: part.number, bytes: part.bytes, sha256: part.sha256 }, 200);
    })
    .openapi(complete, async (c) => {
      const { id } = c.req.valid("param");
      const { kind } = await requireUpload(c.env.CATALOG, id, now());
      const completion = { environment: c.env, id, request: c.req.valid("json"), now, uniqueName };
      const { body, isNew } = await seeThrough(c, completeUpload(completion));
      c.header("location", `/v1/${kind}s/${body.id}`);
      return isNew ? c.json(body, 201) : c.json(body, 200);
    })
    .openapi(abort, async (c) => {
      const upload = await requireUpload(c.env.CATALOG, c.req.valid("param").id, now());
      await seeThrough(c, discardUpload(c.env, upload));
      return c.body(null, 204);
    });
}
