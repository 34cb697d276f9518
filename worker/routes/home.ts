import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { jsonOf } from "./responses.ts";
import { newRouter } from "./router.ts";

const health = createRoute({
  method: "get",
  path: "/healthz",
  summary: "Liveness",
  responses: { 200: jsonOf("The worker answers", z.object({ status: z.literal("ok") })) },
});

const home = createRoute({
  method: "get",
  path: "/",
  summary: "What this is, and where to go on",
  responses: {
    200: jsonOf(
      "Links",
      z.object({ name: z.literal("edgefuse"), links: z.record(z.string(), z.string()) }).meta({ id: "Home" }),
    ),
  },
});

/** What anyone may ask a deployment. */
export function homeRoutes() {
  return newRouter()
    .openapi(health, (c) => {
      c.header("cache-control", "no-store");
      return c.json({ status: "ok" as const }, 200);
    })
    .openapi(home, (c) =>
      c.json(
        {
          name: "edgefuse" as const,
          links: {
            docs: "/docs",
            openapi: "/openapi.json",
            health: "/healthz",
            checkpoints: "/v1/checkpoints",
            fusions: "/v1/fusions",
            datasets: "/v1/datasets",
            probes: "/v1/probes",
          },
        },
        200,
      ),
    );
}
