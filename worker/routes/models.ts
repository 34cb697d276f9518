import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { modelManifest } from "../../shared/api/manifest.ts";
import { modelId } from "../../shared/identity.ts";
import { requireModel } from "../catalog/models.ts";
import { limitsOf } from "../environment.ts";
import { engineOf } from "../engine/engine.ts";
import { sha256Hex } from "../objects/digest.ts";
import { manifestKey, modelKey } from "../objects/keys.ts";
import { openObject, serveRepresentation } from "../objects/serve.ts";
import { ObjectSource, readStoredHeader } from "../objects/source.ts";
import { layersModelOf, unavailable } from "../tfjs-form/layers-model.ts";
import { bytesOf, problems } from "./responses.ts";
import { newRouter } from "./router.ts";

const parameters = { params: z.object({ id: modelId }) };

const file = createRoute({
  method: "get",
  path: "/models/{id}/model.safetensors",
  summary: "A fused model as safetensors",
  request: parameters,
  responses: { ...bytesOf("The file", "application/octet-stream"), ...problems },
});

const manifest = createRoute({
  method: "get",
  path: "/models/{id}/manifest.json",
  summary: "What a fused model was made of, and what was found on the way",
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

/** Published models: what a CDN caches. Public and immutable. */
export function modelRoutes() {
  return newRouter()
    .openapi(file, async (c) => {
      const { id, bytes, sha256 } = await requireModel(c.env.CATALOG, c.req.valid("param").id);
      const open = openObject(c.env.BUCKET, modelKey(id));
      return serveRepresentation(c, { bytes, sha256, contentType: "application/octet-stream", isPublic: true, open });
    })
    .openapi(manifest, async (c) => {
      const model = await requireModel(c.env.CATALOG, c.req.valid("param").id);
      return serveRepresentation(c, {
        bytes: model.manifestBytes,
        sha256: model.manifestSha256,
        contentType: "application/json",
        isPublic: true,
        open: openObject(c.env.BUCKET, manifestKey(model.id)),
      });
    })
    .openapi(topology, async (c) => {
      const model = await requireModel(c.env.CATALOG, c.req.valid("param").id);
      const header = await readStoredHeader(new ObjectSource(c.env.BUCKET, modelKey(model.id)), model.bytes);
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
      const model = await requireModel(c.env.CATALOG, c.req.valid("param").id);
      if (model.dataSha256 === null) {
        throw unavailable("TF.js reads float32 and float16 weights, not those of this model.");
      }
      return serveRepresentation(c, {
        bytes: model.bytes - model.dataOffset,
        sha256: model.dataSha256,
        contentType: "application/octet-stream",
        isPublic: true,
        open: openObject(c.env.BUCKET, modelKey(model.id), model.dataOffset),
      });
    });
}
