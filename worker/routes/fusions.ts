import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { createFusionRequest, type FusionDescription, fusionDescription } from "../../shared/api/fusions.ts";
import { modelId } from "../../shared/identity.ts";
import { modelIdOf, parseRecipe } from "../../shared/recipe/canonical-recipe.ts";
import { type ModelRecord, requireModel } from "../catalog/models.ts";
import type { AppContext } from "../environment.ts";
import { materializeModel } from "../fusing/materialize.ts";
import { malformedRequest } from "../problems/validation.ts";
import { seeThrough } from "./body.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const create = createRoute({
  method: "post",
  path: "/v1/fusions",
  summary: "Fuse checkpoints by a recipe",
  description:
    "The same recipe has one answer: who asks again, or lists the inputs in another order, gets the same model.",
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: createFusionRequest } } } },
  responses: {
    200: jsonOf("The model exists already", fusionDescription),
    201: jsonOf("The model is made", fusionDescription),
    ...problems,
  },
});

const get = createRoute({
  method: "get",
  path: "/v1/fusions/{id}",
  summary: "A fusion: its recipe and where its result is",
  security: bearer,
  request: { params: z.object({ id: modelId }) },
  responses: { 200: jsonOf("The fusion", fusionDescription), ...problems },
});

/** Fusions: models made on demand. */
export function fusionRoutes({ now }: Dependencies) {
  return newRouter()
    .openapi(
      create,
      async (c) => {
        const recipe = parseRecipe(c.req.valid("json").recipe);
        const { record, isNew } = await seeThrough(c, materializeModel(c.env, modelIdOf(recipe), recipe, now));
        c.header("location", linksOf(record).model);
        return isNew ? c.json(describe(record), 201) : c.json(describe(record), 200);
      },
      (result, c) => (result.success ? undefined : refuse(c, result.target, result.error)),
    )
    .openapi(get, async (c) => c.json(describe(await requireModel(c.env.CATALOG, c.req.valid("param").id)), 200));
}

/** What is wrong within the recipe is the recipe's own kind of problem. */
async function refuse(c: AppContext, target: string, error: z.ZodError): Promise<never> {
  if (error.issues.every(({ path }) => path[0] === "recipe" && path.length > 1)) {
    parseRecipe((await c.req.json<{ recipe: unknown }>()).recipe);
  }
  throw malformedRequest(target, error);
}

function describe(record: ModelRecord): FusionDescription {
  const { id, recipe, bytes, sha256, createdAt } = record;
  return { id, state: "succeeded", recipe, bytes, sha256, createdAt, links: linksOf(record) };
}

function linksOf({ id, dataSha256 }: ModelRecord): FusionDescription["links"] {
  const base = `/models/${id}`;
  return {
    model: `${base}/model.safetensors`,
    manifest: `${base}/manifest.json`,
    topology: dataSha256 === null ? null : `${base}/model.json`,
  };
}
