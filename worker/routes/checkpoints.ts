import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import {
  checkpointDescription,
  checkpointPage,
  registerRequest,
  SAFETENSORS_MEDIA_TYPES,
} from "../../shared/api/checkpoints.ts";
import { pageQuery } from "../../shared/api/paging.ts";
import { checkpointId, type CheckpointId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { readAlignment } from "../../shared/alignment/metadata.ts";
import type { SafetensorsHeader } from "../../shared/safetensors/index.ts";
import { forgetCheckpoint, insertCheckpoint, listCheckpoints, requireCheckpoint } from "../catalog/checkpoints.ts";
import { isolateBudget } from "../engine/budget.ts";
import { type AppContext, limitsOf } from "../environment.ts";
import { adoptObject } from "../objects/adopt.ts";
import { describeCheckpoint, summarizeCheckpoint } from "../objects/describe-checkpoint.ts";
import type { InspectedFile } from "../objects/inspect.ts";
import { announcedDigest, checkpointKey } from "../objects/keys.ts";
import { receiveFile } from "../objects/receive.ts";
import { openObject, serveRepresentation } from "../objects/serve.ts";
import { ObjectSource, readStoredHeader } from "../objects/source.ts";
import { announcedFile, mediaType, requireMediaType, seeThrough } from "./body.ts";
import { bearer, bytesOf, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const binary = { schema: { type: "string" as const, format: "binary" } };

const register = createRoute({
  method: "post",
  path: "/v1/checkpoints",
  summary: "Register a checkpoint: a safetensors file, or the key of one uploaded through S3",
  description:
    "The file is validated and hashed while it passes; nothing is stored unless it is whole and right. " +
    "`Repr-Digest: sha-256=:…:` is verified where it is sent, and saves larger files a copy.",
  security: bearer,
  request: {
    body: {
      content: {
        "application/json": { schema: registerRequest },
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

const list = createRoute({
  method: "get",
  path: "/v1/checkpoints",
  summary: "List checkpoints, newest first",
  security: bearer,
  request: { query: pageQuery },
  responses: { 200: jsonOf("A page", checkpointPage), ...problems },
});

const parameters = { params: z.object({ id: checkpointId }) };

const describe = createRoute({
  method: "get",
  path: "/v1/checkpoints/{id}",
  summary: "Describe a checkpoint: tensors, metadata, alignment, architecture",
  security: bearer,
  request: parameters,
  responses: { 200: jsonOf("The checkpoint", checkpointDescription), ...problems },
});

const download = createRoute({
  method: "get",
  path: "/v1/checkpoints/{id}/model.safetensors",
  summary: "The file of a checkpoint, or a range of it",
  security: bearer,
  request: parameters,
  responses: { ...bytesOf("The file", "application/octet-stream"), ...problems },
});

/** Checkpoints: what fusions are made of. */
export function checkpointRoutes({ now, uniqueName }: Dependencies) {
  return newRouter()
    .openapi(register, async (c) => {
      requireMediaType(c, ["application/json", ...SAFETENSORS_MEDIA_TYPES]);
      const isJson = mediaType(c) === "application/json";
      const { body, isNew } = await seeThrough(
        c,
        isJson ? registerKey(c, registerRequest.parse(c.req.valid("json")).key) : registerUpload(c),
      );
      c.header("location", `/v1/checkpoints/${body.id}`);
      return isNew ? c.json(body, 201) : c.json(body, 200);
    })
    .openapi(list, async (c) => c.json(await listCheckpoints(c.env.CATALOG, c.req.valid("query")), 200))
    .openapi(describe, async (c) => {
      const summary = await requireCheckpoint(c.env.CATALOG, c.req.valid("param").id);
      const source = new ObjectSource(c.env.BUCKET, checkpointKey(summary.id));
      return c.json(describeCheckpoint(summary, await readStoredHeader(source, summary.bytes)), 200);
    })
    .openapi(download, async (c) => {
      const { id, bytes } = await requireCheckpoint(c.env.CATALOG, c.req.valid("param").id);
      return serveRepresentation(c, {
        bytes,
        sha256: id,
        contentType: "application/octet-stream",
        isPublic: false,
        open: openObject(c.env.BUCKET, checkpointKey(id)),
      });
    });

  async function registerUpload(c: AppContext) {
    const { body, ...announcement } = announcedFile(c);
    const file = await receiveFile(body, {
      ...announcement,
      bucket: c.env.BUCKET,
      budget: isolateBudget(limitsOf(c.env).memoryBudgetBytes),
      keyOf: (sha256) => checkpointKey(sha256 as CheckpointId),
      stagingName: uniqueName,
      validate,
    });
    try {
      return await enter(c, file);
    } catch (error) {
      // The catalog failed: an object that it does not know would never be found again.
      if (file.stored) await c.env.BUCKET.delete(checkpointKey(file.sha256 as CheckpointId));
      throw error;
    }
  }

  async function registerKey(c: AppContext, key: string) {
    try {
      const file = await adoptObject(key, {
        bucket: c.env.BUCKET,
        folder: "checkpoints",
        maxBytes: Number.MAX_SAFE_INTEGER,
        keyOf: (sha256) => checkpointKey(sha256 as CheckpointId),
        validate,
      });
      return await enter(c, file);
    } catch (error) {
      const announced = announcedDigest("checkpoints", key);
      // Someone overwrote a registered object through S3: the catalog must not promise it any longer.
      if (announced !== undefined && error instanceof Problem && error.code === "digest-mismatch") {
        await forgetCheckpoint(c.env.CATALOG, announced as CheckpointId);
      }
      throw error;
    }
  }

  async function enter(c: AppContext, { sha256, header }: InspectedFile) {
    const id = sha256 as CheckpointId;
    const summary = summarizeCheckpoint(id, header, now().toISOString());
    const isNew = await insertCheckpoint(c.env.CATALOG, summary);
    const entered = isNew ? summary : await requireCheckpoint(c.env.CATALOG, id);
    return { body: describeCheckpoint(entered, header), isNew };
  }
}

/** Training facts that cannot be read are refused at the door, not when someone relies on them. */
function validate({ metadata }: SafetensorsHeader): void {
  readAlignment(metadata);
}
