import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { modelManifest } from "../../shared/api/manifest.ts";
import { modelId, type ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import type { SafetensorsHeader } from "../../shared/safetensors/index.ts";
import { engineOf } from "../engine/engine.ts";
import { type AppContext, limitsOf } from "../environment.ts";
import { planOf, readLazily } from "../fusing/lazy.ts";
import { requireServed, type ServedModel } from "../fusing/served-model.ts";
import { findShard, SHARD_FILE, shardsOf } from "../fusing/shards.ts";
import { sha256Hex } from "../objects/digest.ts";
import { manifestKey, modelKey } from "../objects/keys.ts";
import { openObject, type Representation, serveRepresentation } from "../objects/serve.ts";
import { ObjectSource, readStoredHeader } from "../objects/source.ts";
import { layersModelOf, unavailable } from "../tfjs-form/layers-model.ts";
import { bytesOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const parameters = { params: z.object({ id: modelId }) };

const file = createRoute({
  method: "get",
  path: "/models/{id}/model.safetensors",
  summary: "A fused model as safetensors",
  description:
    "Of a model that is not stored, what is asked for is computed; the bytes and the ETag are those of the stored one. " +
    "`Repr-Digest` is sent once the model is stored.",
  request: parameters,
  responses: { ...bytesOf("The file", "application/octet-stream"), ...problems },
});

const manifest = createRoute({
  method: "get",
  path: "/models/{id}/manifest.json",
  summary: "What a fused model was made of, and what was found on the way",
  description: "409 until the model is stored: digests and findings are known only then. Its plan is known before.",
  request: parameters,
  responses: { ...bytesOf("The manifest", "application/json", modelManifest), ...problems },
});

const topology = createRoute({
  method: "get",
  path: "/models/{id}/model.json",
  summary: "A fused model for `tf.loadLayersModel`",
  request: parameters,
  responses: { ...bytesOf("TF.js topology and weights manifest", "application/json"), ...problems },
});

const weights = createRoute({
  method: "get",
  path: "/models/{id}/weights.bin",
  summary: "The weights of model.json: the data section of model.safetensors",
  request: parameters,
  responses: { ...bytesOf("The weights", "application/octet-stream"), ...problems },
});

const index = createRoute({
  method: "get",
  path: "/models/{id}/model.safetensors.index.json",
  summary: "The index of a model that is served as several files",
  description: "CDNs do not keep files above 500 MB. A model of one file has no index.",
  request: parameters,
  responses: { ...bytesOf("The index, as Hugging Face writes it", "application/json"), ...problems },
});

const shard = createRoute({
  method: "get",
  path: "/models/{id}/{shard}",
  summary: "A shard of a model that is served as several files",
  request: { params: z.object({ id: modelId, shard: z.string().describe("`model-00001-of-00003.safetensors`") }) },
  responses: { ...bytesOf("The shard", "application/octet-stream"), ...problems },
});

const OCTETS = { contentType: "application/octet-stream", isPublic: true } as const;

/** Published models: what a CDN caches. Public and immutable: an id names a recipe, and a recipe names the bytes. */
export function modelRoutes({ now }: Dependencies) {
  return newRouter()
    .openapi(file, async (c) => {
      const { id } = c.req.valid("param");
      const served = await requireServed(c.env.CATALOG, id);
      const { bytes } = factsOf(served);
      const sha256 = served.kind === "stored" ? served.record.sha256 : undefined;
      return serveRepresentation(c, { ...OCTETS, etag: `model-${id}`, sha256, bytes, open: opener(c, served, 0) });
    })
    .openapi(manifest, async (c) => {
      const { id } = c.req.valid("param");
      const served = await requireServed(c.env.CATALOG, id);
      if (served.kind !== "stored") {
        throw new Problem(
          "not-materialized",
          `Model ${id} is not stored yet; its plan says what is known beforehand.`,
          {
            model: id,
            state: served.fusion.state,
            plan: `/v1/fusions/${id}/plan`,
          },
        );
      }
      return serveRepresentation(c, {
        bytes: served.record.manifestBytes,
        sha256: served.record.manifestSha256,
        contentType: "application/json",
        isPublic: true,
        open: openObject(c.env.BUCKET, manifestKey(id)),
      });
    })
    .openapi(topology, async (c) => {
      const header = await headerOf(c, await requireServed(c.env.CATALOG, c.req.valid("param").id));
      await engineOf(limitsOf(c.env).memoryBudgetBytes);
      const json = new TextEncoder().encode(JSON.stringify(layersModelOf(header)));
      return serveRepresentation(c, {
        bytes: json.length,
        sha256: await sha256Hex(json),
        contentType: "application/json",
        isPublic: true,
        open: async ({ begin, end }) => json.slice(begin, end),
      });
    })
    .openapi(weights, async (c) => {
      const { id } = c.req.valid("param");
      const served = await requireServed(c.env.CATALOG, id);
      const { bytes, dataOffset, hasWeightsForm } = factsOf(served);
      if (!hasWeightsForm) throw unavailable("TF.js reads float32 and float16 weights, not those of this model.");
      const sha256 = (served.kind === "stored" ? served.record.dataSha256 : undefined) ?? undefined;
      return serveRepresentation(c, {
        ...OCTETS,
        etag: `weights-${id}`,
        sha256,
        bytes: bytes - dataOffset,
        open: opener(c, served, dataOffset),
      });
    })
    .openapi(index, async (c) => {
      const header = await headerOf(c, await requireServed(c.env.CATALOG, c.req.valid("param").id));
      const shards = shardsOf(header, limitsOf(c.env).shardBytes);
      if (shards.index === undefined) throw new Problem("not-found", "The model is one file, and has no index.");
      const json = new TextEncoder().encode(shards.index.json);
      return serveRepresentation(c, {
        bytes: json.length,
        sha256: await sha256Hex(json),
        contentType: "application/json",
        isPublic: true,
        open: async ({ begin, end }) => json.slice(begin, end),
      });
    })
    .openapi(shard, async (c) => {
      const { id, shard: name } = c.req.valid("param");
      if (!SHARD_FILE.test(name)) throw new Problem("not-found", "There is nothing at this address.");
      const served = await requireServed(c.env.CATALOG, id);
      const header = await headerOf(c, served);
      const { shardBytes } = limitsOf(c.env);
      const found = findShard(header, shardsOf(header, shardBytes), name, opener(c, served, 0));
      if (found === undefined) throw new Problem("not-found", `Model ${id} has no shard ${name}.`);
      const etag = `model-${id}-${name}-${shardBytes}`;
      return serveRepresentation(c, { ...OCTETS, etag, sha256: undefined, ...found });
    });

  function opener(c: AppContext, served: ServedModel, offset: number): Representation["open"] {
    if (served.kind === "stored") return openObject(c.env.BUCKET, modelKey(served.record.id), offset);
    return ({ begin, end }) =>
      readLazily({
        environment: c.env,
        fusion: served.fusion,
        range: { begin: offset + begin, end: offset + end },
        seeThrough: (work) => c.executionCtx.waitUntil(work),
        now,
      });
  }
}

interface ServedFacts {
  readonly id: ModelId;
  readonly bytes: number;
  readonly dataOffset: number;
  readonly hasWeightsForm: boolean;
}

function factsOf(served: ServedModel): ServedFacts {
  return served.kind === "stored"
    ? { ...served.record, hasWeightsForm: served.record.dataSha256 !== null }
    : served.fusion;
}

async function headerOf(c: AppContext, served: ServedModel): Promise<SafetensorsHeader> {
  if (served.kind === "computed") return (await planOf(c.env, served.fusion)).plan.layout;
  const { id, bytes } = served.record;
  return readStoredHeader(new ObjectSource(c.env.BUCKET, modelKey(id)), bytes);
}
