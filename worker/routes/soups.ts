import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { createSoupRequest, soupDescription, soupPage, soupQuery } from "../../shared/api/soups.ts";
import { soupId, type SoupId } from "../../shared/identity.ts";
import { hasScope } from "../auth/principal.ts";
import { listSoups, requireSoup, type SoupRecord } from "../catalog/soups.ts";
import type { AppContext } from "../environment.ts";
import { keepCooking } from "../souping/background.ts";
import { describeSoup } from "../souping/describe.ts";
import { resolveSoup } from "../souping/question.ts";
import { requestSoup } from "../souping/request.ts";
import { seeThrough } from "./body.ts";
import { acknowledge, type Preferences, preferencesOf, waitFor } from "./preferences.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

/** When to ask again, in seconds. */
const RETRY_AFTER = "1";

const create = createRoute({
  method: "post",
  path: "/v1/soups",
  summary: "Average those checkpoints that make the average better",
  description:
    "Every candidate is evaluated on held-out data, then mixtures of them. What cannot be evaluated is left out, and the " +
    "trace says why. The result is a linear recipe and its model, whose manifest has the trace. The same question is one " +
    "soup, made once. Little work is done within the request; more, and `Prefer: respond-async`, by a Workflow. " +
    "`Prefer: wait=20` waits for it so long.",
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: createSoupRequest } } } },
  responses: {
    200: jsonOf("Made before, or it has failed; asked again, it is tried anew", soupDescription),
    201: jsonOf("The soup", soupDescription),
    202: jsonOf("It is being made", soupDescription),
    ...problems,
  },
});

const list = createRoute({
  method: "get",
  path: "/v1/soups",
  summary: "Soups, newest first",
  security: bearer,
  request: { query: soupQuery },
  responses: { 200: jsonOf("A page", soupPage), ...problems },
});

const get = createRoute({
  method: "get",
  path: "/v1/soups/{id}",
  summary: "A soup: what was tried, what went in, and its model",
  security: bearer,
  request: { params: z.object({ id: soupId }) },
  responses: { 200: jsonOf("The soup", soupDescription), ...problems },
});

/** Soups: averages whose inputs are chosen by how good they are. */
export function soupRoutes({ now }: Dependencies) {
  const hasEnded = ({ state }: Pick<SoupRecord, "state">) => state !== "running";

  /** A soup as it is now, woken where it fell asleep; or when it is done, or the client has waited as long as it would. */
  function lookFor({ env }: AppContext, id: SoupId, { waitSeconds }: Preferences): Promise<SoupRecord> {
    const look = async () => {
      const soup = await requireSoup(env.CATALOG, id);
      await keepCooking(env, soup, now);
      return soup;
    };
    return waitFor(look, { hasEnded, seconds: waitSeconds ?? 0, now });
  }

  return newRouter()
    .openapi(create, async (c) => {
      const request = c.req.valid("json");
      const resolved = await resolveSoup(c.env.CATALOG, request);
      const preferences = preferencesOf(c.req.header("prefer"));
      const { visibility } = request;
      const { isAsync } = preferences;
      const wanted = { ...resolved, visibility, isAsync, mayPublish: hasScope(c, "publish") };
      const { soup, isNew } = await seeThrough(c, requestSoup(c.env, wanted, now));
      const seen = hasEnded(soup) ? soup : await lookFor(c, soup.id, preferences);
      acknowledge(c, preferences);
      const body = await describeSoup(c.env.CATALOG, seen);
      c.header("location", body.links.self);
      c.header("cache-control", "no-store");
      if (!hasEnded(seen)) {
        c.header("retry-after", RETRY_AFTER);
        return c.json(body, 202);
      }
      return isNew && seen.state === "succeeded" ? c.json(body, 201) : c.json(body, 200);
    })
    .openapi(list, async (c) => {
      const { CATALOG } = c.env;
      const { items, next } = await listSoups(CATALOG, c.req.valid("query"));
      c.header("cache-control", "no-store");
      const described = await Promise.all(items.map((soup) => describeSoup(CATALOG, soup)));
      return c.json({ items: described, next }, 200);
    })
    .openapi(get, async (c) => {
      const preferences = { ...preferencesOf(c.req.header("prefer")), isAsync: false };
      const soup = await lookFor(c, c.req.valid("param").id, preferences);
      acknowledge(c, preferences);
      if (!hasEnded(soup)) c.header("retry-after", RETRY_AFTER);
      c.header("cache-control", "no-store");
      return c.json(await describeSoup(c.env.CATALOG, soup), 200);
    });
}
