import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { topologyDescription, topologyPage, topologyQuery } from "../../shared/api/topologies.ts";
import { MOST_TOPOLOGY_BYTES, readTopology } from "../../shared/evaluation/topology/topology.ts";
import { topologyId } from "../../shared/identity.ts";
import { listTopologies, requireTopology, requireTopologySummary } from "../catalog/topologies.ts";
import { deleteTopology } from "../deleting/delete.ts";
import { isolateBudget } from "../engine/budget.ts";
import { type AppContext, limitsOf } from "../environment.ts";
import { describeInTurn, describeSummary, enterTopology, mostElements } from "../registering/topologies.ts";
import { requireMediaType, seeThrough } from "./body.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

export const TOPOLOGIES_PATH = "/v1/topologies";

/** What a JSON text may take when it is parsed, and once more when it is copied, for each of its bytes. */
const PARSED_BYTES = 6;

const register = createRoute({
  method: "post",
  path: TOPOLOGIES_PATH,
  summary: "Register the topology of a TF.js model, so that its weights can be evaluated",
  description:
    "The body is a `model.json`, of a LayersModel or of a GraphModel, up to 4 MiB; what it says of weight files is not " +
    "looked at. A layer or an operation that cannot be evaluated is named in 422 `unsupported-topology`. A softmax at the " +
    "end is left out, since a loss is computed from logits. Checkpoints are bound by the names of their tensors: " +
    '`"as": {"topology": "…"}` in a question, or `edgefuse.topology` in their metadata. A TF.js model that is uploaded ' +
    "to /v1/checkpoints brings its topology along.",
  security: bearer,
  request: {
    body: {
      required: true,
      content: {
        // Read as bytes: it is larger than other JSON, and its memory is booked before it is parsed.
        "application/json": {
          schema: {
            type: "object" as const,
            required: ["modelTopology"],
            properties: { modelTopology: { type: "object" as const, additionalProperties: true } },
            additionalProperties: true,
          },
        },
      },
    },
  },
  responses: {
    200: jsonOf("The topology was known already", topologyDescription),
    201: jsonOf("The topology is registered", topologyDescription),
    ...problems,
  },
});

const list = createRoute({
  method: "get",
  path: TOPOLOGIES_PATH,
  summary: "List topologies, newest first",
  security: bearer,
  request: { query: topologyQuery },
  responses: { 200: jsonOf("A page", topologyPage), ...problems },
});

const parameters = { params: z.object({ id: topologyId }) };

const describe = createRoute({
  method: "get",
  path: "/v1/topologies/{id}",
  summary: "Describe a topology: shapes, layers, and the weights that it reads",
  security: bearer,
  request: parameters,
  responses: { 200: jsonOf("The topology", topologyDescription), ...problems },
});

const remove = createRoute({
  method: "delete",
  path: "/v1/topologies/{id}",
  summary: "Delete a topology that no checkpoint names and no probe under way reads",
  description: "409 `still-needed` lists, in `neededBy`, up to 20 of the things that need it; `count` counts them all.",
  security: bearer,
  request: parameters,
  responses: { 204: { description: "It is gone" }, ...problems },
});

/** Topologies: what TF.js models are, without their weights. */
export function topologyRoutes({ now }: Dependencies) {
  return newRouter()
    .openapi(register, async (c) => {
      requireMediaType(c, ["application/json"]);
      const { body, isNew } = await seeThrough(c, registerTopology(c));
      c.header("location", `/v1/topologies/${body.id}`);
      return isNew ? c.json(body, 201) : c.json(body, 200);
    })
    .openapi(list, async (c) => c.json(await listTopologies(c.env.CATALOG, c.req.valid("query")), 200))
    .openapi(describe, async (c) => {
      const { id } = c.req.valid("param");
      const summary = await requireTopologySummary(c.env.CATALOG, id);
      return c.json(describeSummary(summary, await requireTopology(c.env, id)), 200);
    })
    .openapi(remove, async (c) => {
      await seeThrough(c, deleteTopology(c.env, c.req.valid("param").id, now()));
      return c.body(null, 204);
    });

  async function registerTopology(c: AppContext) {
    const announced = Number(c.req.header("content-length") ?? MOST_TOPOLOGY_BYTES);
    const lease = isolateBudget(limitsOf(c.env).memoryBudgetBytes).take(PARSED_BYTES * announced);
    const topology = await c.req
      .arrayBuffer()
      .then((bytes) => readTopology(new Uint8Array(bytes)))
      .finally(() => lease.release());
    return enterTopology(c.env, await describeInTurn(c.env, topology, mostElements(c.env)), now());
  }
}
