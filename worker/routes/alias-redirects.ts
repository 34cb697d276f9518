import type { OpenAPIHono } from "@hono/zod-openapi";
import * as z from "zod";
import { Problem } from "../../shared/problem.ts";
import { isPublicModel } from "../auth/readable.ts";
import type { AppContext, AppEnvironment } from "../environment.ts";
import { cacheControl, varyField } from "../objects/serve.ts";
import { readableAlias } from "../serving/readable-alias.ts";
import { problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const description = {
  summary: "A file of the model that an alias points at",
  description: "Redirects to the model's own address, for at most a minute; the query is kept, so links stay signed.",
  responses: {
    307: {
      description: "Where the file is",
      headers: { Location: { description: "`/models/{id}/{file}`", schema: { type: "string" as const } } },
    },
    ...problems,
  },
};

const FILE = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "the name of a file, such as model.json");

/** `/models/@name/<file>` and `/models/@team/name/<file>`. */
export function aliasRedirects({ now }: Dependencies) {
  const router = newRouter();
  describe(router);

  const redirect = async (c: AppContext, name: string, file: string) => {
    const found = FILE.safeParse(file);
    if (!found.success) throw new Problem("not-found", "There is nothing at this address.");
    const { id, served } = await readableAlias(c, name, now());
    const isPublic = isPublicModel(served);
    c.header("cache-control", cacheControl(isPublic, "brief"));
    c.header("vary", varyField(isPublic));
    c.header("x-repo-commit", id);
    return c.redirect(`/models/${id}/${found.data}${new URL(c.req.url).search}`, 307);
  };
  router.get("/models/:name{@[^/]+}/:file", (c) => redirect(c, c.req.param("name").slice(1), c.req.param("file")));
  router.get("/models/:namespace{@[^/]+}/:name/:file", (c) => {
    const { namespace, name, file } = c.req.param();
    return redirect(c, `${namespace.slice(1)}/${name}`, file);
  });
  return router;
}

/** The router takes patterns that OpenAPI cannot write, so the description is entered beside it. */
function describe(router: OpenAPIHono<AppEnvironment>): void {
  const alias = z.string().describe("`@digits`");
  router.openAPIRegistry.registerPath({
    method: "get",
    path: "/models/{alias}/{file}",
    request: { params: z.object({ alias, file: FILE }) },
    ...description,
  });
  router.openAPIRegistry.registerPath({
    method: "get",
    path: "/models/{namespace}/{name}/{file}",
    request: { params: z.object({ namespace: z.string().describe("`@team`"), name: z.string(), file: FILE }) },
    ...description,
  });
}
