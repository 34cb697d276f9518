import type { OpenAPIHono } from "@hono/zod-openapi";
import type { ApiDocument } from "../docs/api-document.ts";
import { describeDocument } from "../docs/describe-document.ts";
import type { AppEnvironment } from "../environment.ts";
import { VERSION } from "../version.ts";
import { serveText } from "./text.ts";

export const OPENAPI_PATH = "/openapi.json";

/**
 * Serves the OpenAPI 3.1 description that the routes' schemas make. `docs/openapi.json` is a copy of it
 * (`npm run openapi`).
 * @returns the description, made when it is first asked for: all routes are there then
 */
export function describeApi(app: OpenAPIHono<AppEnvironment>): () => ApiDocument {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "A token of this deployment, its admin secret, or an OpenID Connect token of a CI job. See /docs.",
  });
  let document: ApiDocument | undefined;
  const describe = () => {
    document ??= describeDocument(
      app.getOpenAPI31Document({
        openapi: "3.1.0",
        info: {
          title: "edgefuse",
          version: VERSION,
          description: "Fuses neural-network checkpoints, probes the barrier between them and serves the result.",
          license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
        },
      }),
    );
    return document;
  };
  app.get(
    OPENAPI_PATH,
    serveText(() => ({
      text: `${JSON.stringify(describe(), null, 2)}\n`,
      headers: { "content-type": "application/json", "access-control-allow-origin": "*" },
    })),
  );
  return describe;
}
