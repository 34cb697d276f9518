import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { registerRequest, SAFETENSORS_MEDIA_TYPES } from "../../shared/api/checkpoints.ts";
import { shardDescription } from "../../shared/api/datasets.ts";
import { shardId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { type AppContext, limitsOf } from "../environment.ts";
import { sha256Hex } from "../objects/digest.ts";
import { tooLarge } from "../objects/inspect.ts";
import { announcedDigest, INCOMING_PREFIX, shardKey } from "../objects/keys.ts";
import { mismatch } from "../objects/receive.ts";
import { openObject, serveRepresentation } from "../objects/serve.ts";
import { announcedFile, mediaType, requireMediaType, seeThrough } from "./body.ts";
import { readWhole } from "../objects/whole.ts";
import { enterShard, MAX_SHARD_BYTES, requireShard, withShardMemory } from "../registering/shards.ts";
import { bearer, bytesOf, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const binary = { schema: { type: "string" as const, format: "binary" } };

const register = createRoute({
  method: "post",
  path: "/v1/shards",
  summary: "Register a validation shard: a safetensors file with x and y, or the key of one uploaded through S3",
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
    200: jsonOf("The shard was known already", shardDescription),
    201: jsonOf("The shard is registered", shardDescription),
    ...problems,
  },
});

const parameters = { params: z.object({ id: shardId }) };

const describe = createRoute({
  method: "get",
  path: "/v1/shards/{id}",
  summary: "Describe a validation shard",
  security: bearer,
  request: parameters,
  responses: { 200: jsonOf("The shard", shardDescription), ...problems },
});

const download = createRoute({
  method: "get",
  path: "/v1/shards/{id}/shard.safetensors",
  summary: "The file of a validation shard, or a range of it",
  security: bearer,
  request: parameters,
  responses: { ...bytesOf("The file", "application/octet-stream"), ...problems },
});

/** Validation data, a shard at a time. */
export function shardRoutes({ now }: Dependencies) {
  return newRouter()
    .openapi(register, async (c) => {
      requireMediaType(c, ["application/json", ...SAFETENSORS_MEDIA_TYPES]);
      const isJson = mediaType(c) === "application/json";
      const { body, isNew } = await seeThrough(
        c,
        isJson ? registerKey(c, registerRequest.parse(c.req.valid("json")).key) : registerUpload(c),
      );
      c.header("location", `/v1/shards/${body.id}`);
      return isNew ? c.json(body, 201) : c.json(body, 200);
    })
    .openapi(describe, async (c) => c.json(await requireShard(c.env.CATALOG, c.req.valid("param").id), 200))
    .openapi(download, async (c) => {
      const { id, bytes } = await requireShard(c.env.CATALOG, c.req.valid("param").id);
      return serveRepresentation(c, {
        bytes,
        sha256: id,
        contentType: "application/octet-stream",
        isPublic: false,
        open: openObject(c.env.BUCKET, shardKey(id)),
      });
    });

  async function registerUpload(c: AppContext) {
    const limit = Math.min(MAX_SHARD_BYTES, limitsOf(c.env).maxUploadBytes);
    const { body, length, announced, maxBytes } = announcedFile(c, limit);
    return withShardMemory(c.env, length ?? maxBytes, async () => {
      const file = await readWhole(body, maxBytes, length);
      const sha256 = await sha256Hex(file);
      if (announced !== undefined && announced !== sha256) throw mismatch(announced, sha256);
      return enterShard(c.env, file, sha256, now());
    });
  }

  async function registerKey(c: AppContext, key: string) {
    const { BUCKET } = c.env;
    const announced = announcedDigest("shards", key);
    const isIncoming = key.startsWith(INCOMING_PREFIX);
    if (announced === undefined && !isIncoming) {
      const detail = `Shards are registered from shards/<sha256>.safetensors or from below ${INCOMING_PREFIX}.`;
      throw new Problem("invalid-key", detail, { key });
    }
    const object = await BUCKET.get(key);
    if (object === null) throw new Problem("object-not-found", `There is no object ${key} in the bucket.`, { key });
    if (object.size > MAX_SHARD_BYTES) {
      await object.body.cancel();
      throw tooLarge(MAX_SHARD_BYTES);
    }
    return withShardMemory(c.env, object.size, async () => {
      const file = new Uint8Array(await object.arrayBuffer());
      try {
        const sha256 = await sha256Hex(file);
        if (announced !== undefined && announced !== sha256) throw mismatch(announced, sha256);
        const entered = await enterShard(c.env, file, sha256, now());
        if (isIncoming) await BUCKET.delete(key);
        return entered;
      } catch (error) {
        // As with checkpoints: a canonical key that holds something else must not stay.
        if (announced !== undefined && error instanceof Problem) await BUCKET.delete(key);
        throw error;
      }
    });
  }
}
