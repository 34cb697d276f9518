import type { OpenAPIHono } from "@hono/zod-openapi";
import type { AppEnvironment } from "../environment.ts";
import { VERSION } from "../version.ts";

export const OPENAPI_PATH = "/openapi.json";

/** Serves the OpenAPI 3.1 description that the routes' schemas make. */
export function describeApi(app: OpenAPIHono<AppEnvironment>): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
  app.doc31(OPENAPI_PATH, {
    openapi: "3.1.0",
    info: {
      title: "edgefuse",
      version: VERSION,
      description: "Fuses neural-network checkpoints, probes the barrier between them and serves the result.",
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
  });
}
