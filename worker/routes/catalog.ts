import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { datasetQuery } from "../../shared/api/datasets.ts";
import {
  fusionPage,
  fusionQuery,
  modelPage,
  modelQuery,
  probePage,
  probeQuery,
  shardPage,
  shardQuery,
} from "../../shared/api/listing.ts";
import { checkpointId, datasetName, modelId, probeId, shardId } from "../../shared/identity.ts";
import { listFusionIds, listModels } from "../catalog/model-list.ts";
import { listProbes } from "../catalog/probes.ts";
import { listShards } from "../catalog/shards.ts";
import { deleteCheckpoint, deleteDataset, deleteModel, deleteProbe, deleteShard } from "../deleting/delete.ts";
import { describeFused } from "../fusing/describe.ts";
import { findFused } from "../fusing/served-model.ts";
import { indexOlder } from "../registering/index-older.ts";
import { forgetModel } from "../serving/readable-model.ts";
import { seeThrough } from "./body.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

/** A list of the catalog. */
function listRoute<const Path extends string, Query extends z.ZodObject, PageSchema extends z.ZodType>(
  path: Path,
  query: Query,
  page: PageSchema,
  texts: { readonly summary: string; readonly description?: string },
) {
  return createRoute({
    method: "get",
    path,
    ...texts,
    security: bearer,
    request: { query },
    responses: { 200: jsonOf("A page", page), ...problems },
  });
}

const models = listRoute("/v1/models", modelQuery, modelPage, {
  summary: "List stored models, newest first",
  description: "All filters that are given must fit. Models that are not stored are among the fusions.",
});
const fusions = listRoute("/v1/fusions", fusionQuery, fusionPage, {
  summary: "List fusions: those without a result first, then those that succeeded; each newest first",
});
const probes = listRoute("/v1/probes", probeQuery, probePage, { summary: "List probes, newest first" });
const shards = listRoute("/v1/shards", shardQuery, shardPage, { summary: "List validation shards, newest first" });

const NEEDED = "409 `still-needed` lists, in `neededBy`, up to 20 of the things that need it; `count` counts them all.";

/** Deletes a thing of the catalog. */
function deleteRoute<const Path extends string, Parameters extends z.ZodObject>(
  path: Path,
  params: Parameters,
  texts: { readonly summary: string; readonly description: string },
) {
  return createRoute({
    method: "delete",
    path,
    ...texts,
    security: bearer,
    request: { params },
    responses: { 204: { description: "It is gone" }, ...problems },
  });
}

const removeCheckpoint = deleteRoute("/v1/checkpoints/{id}", z.object({ id: checkpointId }), {
  summary: "Delete a checkpoint that no recipe, no sharded checkpoint and no probe needs",
  description: NEEDED,
});
const removeShard = deleteRoute("/v1/shards/{id}", z.object({ id: shardId }), {
  summary: "Delete a validation shard that no dataset and no probe needs",
  description: NEEDED,
});
const removeModel = deleteRoute("/v1/models/{id}", z.object({ id: modelId }), {
  summary: "Delete a model, stored or lazy, that no alias and no probe needs",
  description: `${NEEDED} One that is being made is cancelled first: \`DELETE /v1/fusions/{id}\`.`,
});
const removeProbe = deleteRoute("/v1/probes/{id}", z.object({ id: probeId }), {
  summary: "Forget the answer of a probe",
  description: "Asked again, it is answered anew.",
});
const removeDataset = createRoute({
  ...deleteRoute("/v1/datasets/{name}", z.object({ name: datasetName }), {
    summary: "Delete a dataset, or one version of it",
    description: "Its shards stay, and its version numbers are not given again.",
  }),
  request: {
    params: z.object({ name: datasetName }),
    query: z.object({ version: datasetQuery.shape.version.describe("All versions where left out") }),
  },
});

/** What the catalog has, and how it is rid of it. */
export function catalogRoutes({ now }: Dependencies) {
  return newRouter()
    .openapi(models, async (c) => {
      const query = c.req.valid("query");
      if (query.family !== undefined || query.dataset !== undefined) await indexOlder(c.env);
      return c.json(await listModels(c.env.CATALOG, query), 200);
    })
    .openapi(fusions, async (c) => {
      const { CATALOG } = c.env;
      const { items: ids, next } = await listFusionIds(CATALOG, c.req.valid("query"));
      const found = await Promise.all(ids.map((id) => findFused(CATALOG, id)));
      const items = await Promise.all(
        // One that was deleted since its id was read is left out.
        found.filter((fused) => fused !== undefined).map((fused) => describeFused(CATALOG, fused)),
      );
      return c.json({ items, next }, 200);
    })
    .openapi(probes, async (c) => c.json(await listProbes(c.env.CATALOG, c.req.valid("query")), 200))
    .openapi(shards, async (c) => c.json(await listShards(c.env.CATALOG, c.req.valid("query")), 200))
    .openapi(removeCheckpoint, async (c) => {
      await seeThrough(c, deleteCheckpoint(c.env, c.req.valid("param").id, now()));
      return c.body(null, 204);
    })
    .openapi(removeShard, async (c) => {
      await seeThrough(c, deleteShard(c.env, c.req.valid("param").id, now()));
      return c.body(null, 204);
    })
    .openapi(removeModel, async (c) => {
      const { id } = c.req.valid("param");
      await seeThrough(c, deleteModel(c.env, id, now()));
      forgetModel(id);
      return c.body(null, 204);
    })
    .openapi(removeProbe, async (c) => {
      await seeThrough(c, deleteProbe(c.env, c.req.valid("param").id, now()));
      return c.body(null, 204);
    })
    .openapi(removeDataset, async (c) => {
      await seeThrough(c, deleteDataset(c.env, c.req.valid("param").name, c.req.valid("query").version));
      return c.body(null, 204);
    });
}
