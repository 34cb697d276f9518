import { createRoute } from "@hono/zod-openapi";
import { sweepReport, sweepRequest } from "../../shared/api/listing.ts";
import { sweep } from "../sweeping/sweep.ts";
import { seeThrough } from "./body.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const run = createRoute({
  method: "post",
  path: "/v1/sweep",
  summary: "Find what nothing reaches, and with `dryRun: false` mend it",
  description:
    "Uploads that expired, deletions that were not finished, objects without a row, rows without an object. A large " +
    "bucket takes several calls: go on from `next`. Objects below `incoming/` belong to those who put them there.",
  security: bearer,
  request: { body: { content: { "application/json": { schema: sweepRequest } } } },
  responses: { 200: jsonOf("What was found", sweepReport), ...problems },
});

/** The sweep. */
export function sweepRoutes({ now }: Dependencies) {
  return newRouter().openapi(run, async (c) => {
    const report = await seeThrough(c, sweep(c.env, sweepRequest.parse(c.req.valid("json")), now()));
    c.header("cache-control", "no-store");
    return c.json(report, 200);
  });
}
