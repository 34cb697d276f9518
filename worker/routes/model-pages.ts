import type { OpenAPIHono } from "@hono/zod-openapi";
import * as z from "zod";
import type { AliasName } from "../../shared/api/aliases.ts";
import { modelDescription } from "../../shared/api/models.ts";
import { modelId } from "../../shared/identity.ts";
import { isPublicModel, requireVisible } from "../auth/readable.ts";
import { LINK_SIGNATURE } from "../auth/links.ts";
import type { AppContext, AppEnvironment } from "../environment.ts";
import type { ServedModel } from "../fusing/served-model.ts";
import { cacheControl, varyField } from "../objects/serve.ts";
import { factsOfModel } from "../pages/model-facts.ts";
import { modelPage } from "../pages/model-page.ts";
import { preferredForm } from "../pages/negotiate.ts";
import { answerText } from "../pages/svg-answer.ts";
import { malformedRequest } from "../problems/validation.ts";
import { formOf } from "../serving/model-forms.ts";
import { readableAlias } from "../serving/readable-alias.ts";
import { readerOf } from "./models.ts";
import { MODEL_PICTURES } from "./pictures.ts";
import { problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

/**
 * `/models/<id>`, `/models/@name` and `/models/@team/name`: a page for browsers, JSON for everyone else. Registered before
 * the aliases' files, whose addresses it leaves to them.
 */
export function modelPageRoutes({ now }: Dependencies) {
  const router = newRouter();
  describe(router);

  const answer = async (c: AppContext, served: ServedModel, alias: AliasName | null) => {
    const facts = await factsOfModel(readerOf(c, now), served, alias);
    const { state, id, gate } = facts.description;
    const isPublic = isPublicModel(served);
    // What is under way changes from one look to the next.
    const isSettled = state === "succeeded" && gate?.state !== "pending";
    const fields = {
      "cache-control": isSettled ? cacheControl(isPublic, "brief") : "no-store",
      vary: `Accept, ${varyField(isPublic)}`,
      "x-repo-commit": id,
    };
    if (preferredForm(c.req.header("accept")) === "json") {
      return answerText(c, JSON.stringify(facts.description), { ...fields, "content-type": "application/json" });
    }
    const { origin, search, searchParams } = new URL(c.req.url);
    const query = !isPublic && searchParams.has(LINK_SIGNATURE) ? search : "";
    const { text, headers } = modelPage(facts, { origin, query, needsToken: !isPublic && query === "" });
    return answerText(c, text, { ...fields, ...headers });
  };

  const byAlias = async (c: AppContext, name: string) => {
    const { served, alias } = await readableAlias(c, name, now());
    return answer(c, served, alias);
  };

  router.get("/models/:name{@[^/]+}", (c) => byAlias(c, c.req.param("name").slice(1)));
  router.get("/models/:namespace{@[^/]+}/:name", (c, next) => {
    const { namespace, name } = c.req.param();
    return isFile(name) ? next() : byAlias(c, `${namespace.slice(1)}/${name}`);
  });
  router.get("/models/:id{[^@/][^/]*}", async (c) => {
    const id = modelId.safeParse(c.req.param("id"));
    if (!id.success) throw malformedRequest("param", id.error);
    return answer(c, await requireVisible(c, id.data, now()), null);
  });
  return router;
}

/** Whether a name is that of a file that models have. No alias of two parts ends in one. */
function isFile(name: string): boolean {
  return formOf(name) !== undefined || MODEL_PICTURES.some((picture) => picture === name);
}

/** The router takes patterns that OpenAPI cannot write, so the description is entered beside it. */
function describe(router: OpenAPIHono<AppEnvironment>): void {
  router.openAPIRegistry.registerPath({
    method: "get",
    path: "/models/{model}",
    summary: "A model: what it was made of, its barrier, its gate, how to load it",
    description:
      "A page where `Accept` names `text/html`, else JSON. Also of a model that is lazy, being made, failed or refused, for " +
      "whoever may read it. `@team/name` is one alias, with its slash.",
    request: { params: z.object({ model: z.string().describe("The id of a model, or an alias: `@digits`") }) },
    responses: {
      200: {
        description: "The model",
        content: {
          "application/json": { schema: modelDescription },
          "text/html": { schema: { type: "string" } },
        },
      },
      304: { description: "The copy named in If-None-Match is current" },
      ...problems,
    },
  });
}
