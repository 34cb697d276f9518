import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { gateDescription, gatePage, gateQuery } from "../../shared/api/gates.ts";
import { gateId } from "../../shared/identity.ts";
import { listGates, requireGate } from "../catalog/gates.ts";
import { keepDeciding } from "../gating/background.ts";
import { describeGate } from "../gating/describe.ts";
import { acknowledge, preferencesOf, waitFor } from "./preferences.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

/** When to ask again, in seconds. */
const RETRY_AFTER = "1";

const list = createRoute({
  method: "get",
  path: "/v1/gates",
  summary: "Verdicts on models, newest first",
  security: bearer,
  request: { query: gateQuery },
  responses: { 200: jsonOf("A page", gatePage), ...problems },
});

const get = createRoute({
  method: "get",
  path: "/v1/gates/{id}",
  summary: "A gate: what a model must hold, what was measured, and the verdict",
  description: "`Prefer: wait=20` waits for a pending verdict so long.",
  security: bearer,
  request: { params: z.object({ id: gateId }) },
  responses: { 200: jsonOf("The gate", gateDescription), ...problems },
});

/** Gates: whether models may be published. They come about with fusions and with moves of protected aliases. */
export function gateRoutes({ now }: Dependencies) {
  return newRouter()
    .openapi(list, async (c) => {
      const { items, next } = await listGates(c.env.CATALOG, c.req.valid("query"));
      c.header("cache-control", "no-store");
      return c.json({ items: items.map(describeGate), next }, 200);
    })
    .openapi(get, async (c) => {
      const { id } = c.req.valid("param");
      const preferences = { ...preferencesOf(c.req.header("prefer")), isAsync: false };
      const look = async () => {
        const gate = await requireGate(c.env.CATALOG, id);
        if (gate.state === "pending") await keepDeciding(c.env, gate.question.model, now);
        return gate;
      };
      const hasEnded = ({ state }: { state: string }) => state !== "pending";
      const gate = await waitFor(look, { hasEnded, seconds: preferences.waitSeconds ?? 0, now });
      acknowledge(c, preferences);
      if (!hasEnded(gate)) c.header("retry-after", RETRY_AFTER);
      c.header("cache-control", "no-store");
      return c.json(describeGate(gate), 200);
    });
}
