import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { pageQuery } from "../../shared/api/paging.ts";
import { createdToken, createTokenRequest, tokenDescription, tokenId, tokenPage } from "../../shared/api/tokens.ts";
import { Problem } from "../../shared/problem.ts";
import { createToken } from "../auth/tokens.ts";
import { listTokens, revokeToken } from "../catalog/tokens.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const create = createRoute({
  method: "post",
  path: "/v1/tokens",
  summary: "Make a bearer token",
  description: "The token is in this answer and nowhere else: the catalog keeps its SHA-256.",
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: createTokenRequest } } } },
  responses: { 201: jsonOf("The token", createdToken), ...problems },
});

const list = createRoute({
  method: "get",
  path: "/v1/tokens",
  summary: "List tokens, newest first, revoked ones too",
  security: bearer,
  request: { query: pageQuery },
  responses: { 200: jsonOf("A page", tokenPage), ...problems },
});

const revoke = createRoute({
  method: "delete",
  path: "/v1/tokens/{id}",
  summary: "Revoke a token, from the next request on",
  security: bearer,
  request: { params: z.object({ id: tokenId }) },
  responses: { 200: jsonOf("The token, which is of no use any more", tokenDescription), ...problems },
});

/** Tokens: what people and machines prove themselves with. */
export function tokenRoutes({ now, uniqueName, randomBytes }: Dependencies) {
  return newRouter()
    .openapi(create, async (c) => {
      const sources = { now, uniqueName, randomBytes };
      const token = await createToken(c.env.CATALOG, c.req.valid("json"), c.get("principal").id, sources);
      c.header("cache-control", "no-store");
      return c.json(token, 201);
    })
    .openapi(list, async (c) => {
      c.header("cache-control", "no-store");
      return c.json(await listTokens(c.env.CATALOG, c.req.valid("query")), 200);
    })
    .openapi(revoke, async (c) => {
      const { id } = c.req.valid("param");
      const token = await revokeToken(c.env.CATALOG, id, now().toISOString());
      if (token === undefined) throw new Problem("token-not-found", `There is no token ${id}.`, { token: id });
      return c.json(token, 200);
    });
}
