import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import {
  type DatasetDescription,
  datasetDescription,
  datasetPage,
  datasetQuery,
  putDatasetRequest,
} from "../../shared/api/datasets.ts";
import { pageQuery } from "../../shared/api/paging.ts";
import { type DatasetName, datasetName, type ShardId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { findDataset, insertDataset, lastVersion, listDatasets, requireDataset } from "../catalog/datasets.ts";
import { findShards } from "../catalog/shards.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const parameters = z.object({ name: datasetName });

const put = createRoute({
  method: "put",
  path: "/v1/datasets/{name}",
  summary: "Name an ordered list of shards",
  description: "Versions never change: the same list is the same version, another list makes the next one.",
  security: bearer,
  request: {
    params: parameters,
    body: { required: true, content: { "application/json": { schema: putDatasetRequest } } },
  },
  responses: {
    200: jsonOf("The latest version has this list already", datasetDescription),
    201: jsonOf("A new version", datasetDescription),
    ...problems,
  },
});

const get = createRoute({
  method: "get",
  path: "/v1/datasets/{name}",
  summary: "A version of a dataset",
  security: bearer,
  request: { params: parameters, query: datasetQuery },
  responses: { 200: jsonOf("The dataset", datasetDescription), ...problems },
});

const list = createRoute({
  method: "get",
  path: "/v1/datasets",
  summary: "List datasets, each in its latest version",
  security: bearer,
  request: { query: pageQuery },
  responses: { 200: jsonOf("A page", datasetPage), ...problems },
});

/** How often a version number is tried again when another request takes it first. */
const ATTEMPTS = 5;

/** Datasets: names for lists of shards. */
export function datasetRoutes({ now }: Dependencies) {
  return newRouter()
    .openapi(put, async (c) => {
      const { name } = c.req.valid("param");
      const { dataset, isNew } = await putDataset(c.env.CATALOG, name, c.req.valid("json").shards);
      c.header("location", `/v1/datasets/${name}?version=${dataset.version}`);
      return isNew ? c.json(dataset, 201) : c.json(dataset, 200);
    })
    .openapi(get, async (c) =>
      c.json(await requireDataset(c.env.CATALOG, c.req.valid("param").name, c.req.valid("query").version), 200),
    )
    .openapi(list, async (c) => c.json(await listDatasets(c.env.CATALOG, c.req.valid("query")), 200));

  async function putDataset(catalog: D1Database, name: DatasetName, ids: ShardId[]) {
    const facts = await agreeingShards(catalog, ids);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const latest = await findDataset(catalog, name);
      if (latest !== undefined && latest.shards.join() === ids.join()) return { dataset: latest, isNew: false };
      const version = (await lastVersion(catalog, name)) + 1;
      const dataset: DatasetDescription = { name, version, shards: ids, ...facts, createdAt: now().toISOString() };
      if (await insertDataset(catalog, dataset)) return { dataset, isNew: true };
    }
    throw new Problem("dataset-conflict", `Dataset ${name} is being changed by others; try again.`, { dataset: name });
  }
}

/** @throws Problem `shard-not-found`, `incompatible-dataset` where samples differ in shape */
async function agreeingShards(catalog: D1Database, ids: readonly ShardId[]) {
  const shards = await findShards(catalog, ids);
  const inputShape = shards[0]?.inputShape ?? [];
  const other = shards.find((shard) => shard.inputShape.join() !== inputShape.join());
  if (other !== undefined) {
    throw new Problem(
      "incompatible-dataset",
      `Shard ${other.id} has samples of shape [${other.inputShape}], the first one of [${inputShape}].`,
      { shard: other.id },
    );
  }
  return { samples: shards.reduce((sum, { samples }) => sum + samples, 0), inputShape };
}
