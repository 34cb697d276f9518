import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { createLinkRequest, signedLink } from "../../shared/api/links.ts";
import { modelId } from "../../shared/identity.ts";
import { signLink } from "../auth/links.ts";
import { requireReadable } from "../auth/readable.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const create = createRoute({
  method: "post",
  path: "/v1/models/{id}/links",
  summary: "Make a link that opens a private model to whoever has it, for a while",
  description:
    "The query of `url` opens every file of the model, so it works with `tf.loadLayersModel`, which copies it to the " +
    "weights. A link outlives the token that it was made with only where that token has no end of its own; all links end " +
    "when the deployment's secret changes.",
  security: bearer,
  request: {
    params: z.object({ id: modelId }),
    body: { required: true, content: { "application/json": { schema: createLinkRequest } } },
  },
  responses: { 201: jsonOf("The link", signedLink), ...problems },
});

/** Signed links to models. */
export function linkRoutes({ now }: Dependencies) {
  return newRouter().openapi(create, async (c) => {
    const { id } = c.req.valid("param");
    const { expiresIn, file } = c.req.valid("json");
    const at = now();
    await requireReadable(c, id, at);
    const { kind, expiresAt } = c.get("principal");
    // Who was let in until a day lets nobody else in for longer. An identity of a CI job ends in minutes by its nature.
    const latest = kind === "token" && expiresAt !== undefined ? expiresAt.getTime() : Number.POSITIVE_INFINITY;
    const expires = Math.floor(Math.min(at.getTime() + expiresIn * 1000, latest) / 1000);
    const url = new URL(`/models/${id}/${file}`, c.req.url);
    url.search = (await signLink(c.env, id, expires)).toString();
    c.header("cache-control", "no-store");
    return c.json({ url: url.href, expires: new Date(expires * 1000).toISOString() }, 201);
  });
}
