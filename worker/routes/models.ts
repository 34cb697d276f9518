import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { modelManifest } from "../../shared/api/manifest.ts";
import { modelId, type ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import type { AppContext } from "../environment.ts";
import { serveRepresentation } from "../objects/serve.ts";
import { openModelFile } from "../serving/model-files.ts";
import { formOf } from "../serving/model-forms.ts";
import { readableModel } from "../serving/readable-model.ts";
import { bytesOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const parameters = { params: z.object({ id: modelId }) };
const octets = (what: string) => bytesOf(what, "application/octet-stream");

/** The route of a file that a model has, under the model's address. */
function fileRoute<const File extends string>(
  name: File,
  facts: { summary: string; description?: string; file: ReturnType<typeof bytesOf> },
) {
  const { file: content, ...texts } = facts;
  return createRoute({
    method: "get",
    path: `/models/{id}/${name}`,
    ...texts,
    request: parameters,
    responses: { ...content, ...problems },
  });
}

const file = fileRoute("model.safetensors", {
  summary: "A fused model as safetensors",
  description:
    "Of a model that is not stored, what is asked for is computed; the bytes and the ETag are those of the stored one. " +
    "`Repr-Digest` is sent once the model is stored. A model of more than 500 MB comes in shards and not in this file: " +
    "409 `form-unavailable` names their index.",
  file: octets("The file"),
});

const manifest = fileRoute("manifest.json", {
  summary: "What a fused model was made of, and what was found on the way",
  description: "409 until the model is stored: digests and findings are known only then. Its plan is known before.",
  file: bytesOf("The manifest", "application/json", modelManifest),
});

const topology = fileRoute("model.json", {
  summary: "A fused model for `tf.loadLayersModel`",
  file: bytesOf("TF.js topology and weights manifest", "application/json"),
});

const weights = fileRoute("weights.bin", {
  summary: "The weights of model.json: the data section of model.safetensors",
  description: "Above 500 MB they come in parts, which model.json names: `weights-00001-of-00003.bin`.",
  file: octets("The weights"),
});

const index = fileRoute("model.safetensors.index.json", {
  summary: "The index of a model that is served as several files",
  description: "CDNs do not keep files above 500 MB. A model of one file has no index.",
  file: bytesOf("The index, as Hugging Face writes it", "application/json"),
});

const shard = createRoute({
  method: "get",
  path: "/models/{id}/{shard}",
  summary: "A shard of a model that is served as several files, or its config.json",
  request: {
    params: z.object({
      id: modelId,
      shard: z.string().describe("`model-00001-of-00003.safetensors`, `weights-00001-of-00003.bin`, `config.json`"),
    }),
  },
  responses: { ...octets("The file"), ...problems },
});

/**
 * Models: what a CDN caches. Immutable: an id names a recipe, and a recipe names the bytes. Public, unless they were made
 * private: then for whoever may read them.
 */
export function modelRoutes({ now }: Dependencies) {
  const serve = async (c: AppContext, id: ModelId, name: string) => {
    // A name that no model has is nothing at all, whatever became of this one.
    if (formOf(name) === undefined) throw noSuchFile(id);
    const served = await readableModel(c, id, now());
    const found = await openModelFile(readerOf(c, now), served, name);
    if (found === undefined) throw noSuchFile(id);
    // A gate's verdict goes into the manifest of a model that is still private.
    const mayChange = name === "manifest.json" && !found.isPublic;
    return serveRepresentation(c, found, { freshness: mayChange ? "brief" : "immutable" });
  };
  return newRouter()
    .openapi(file, (c) => serve(c, c.req.valid("param").id, "model.safetensors"))
    .openapi(manifest, (c) => serve(c, c.req.valid("param").id, "manifest.json"))
    .openapi(topology, (c) => serve(c, c.req.valid("param").id, "model.json"))
    .openapi(weights, (c) => serve(c, c.req.valid("param").id, "weights.bin"))
    .openapi(index, (c) => serve(c, c.req.valid("param").id, "model.safetensors.index.json"))
    .openapi(shard, (c) => serve(c, c.req.valid("param").id, c.req.valid("param").shard));
}

const noSuchFile = (id: string) => new Problem("not-found", `Model ${id} has no file of this name.`);

/** What reading a model takes of a request. */
export function readerOf(c: AppContext, now: () => Date) {
  return {
    environment: c.env,
    url: c.req.url,
    seeThrough: (work: Promise<unknown>) => c.executionCtx.waitUntil(work),
    now,
  };
}
