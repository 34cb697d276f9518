import type { OpenAPIHono } from "@hono/zod-openapi";
import { createMiddleware } from "hono/factory";
import { Problem } from "../../shared/problem.ts";
import type { AppEnvironment } from "../environment.ts";

/**
 * Refuses what no route takes, before anything else looks at it: 404 for an unknown address, 405 with `Allow` for a
 * known one. Hono itself answers 404 to both.
 * @param app its registered routes are read at the first request
 * @param others addresses of GET routes that are not in the OpenAPI description
 */
export function onlyKnownRoutes(app: OpenAPIHono<AppEnvironment>, others: readonly string[]) {
  let table: { pattern: RegExp; methods: Set<string> }[] | undefined;
  return createMiddleware<AppEnvironment>(async (c, next) => {
    table ??= buildTable(app, others);
    const matching = table.filter(({ pattern }) => pattern.test(c.req.path));
    if (matching.length === 0) throw new Problem("not-found", "There is nothing at this address.");
    const methods = new Set(matching.flatMap((entry) => [...entry.methods]));
    if (!methods.has(c.req.raw.method)) {
      const allow = [...methods].sort().join(", ");
      throw new Problem("method-not-allowed", `This address takes ${allow}.`, { allow });
    }
    await next();
  });
}

function buildTable(app: OpenAPIHono<AppEnvironment>, others: readonly string[]) {
  const table = new Map<string, Set<string>>(others.map((path) => [path, new Set(["GET", "HEAD"])]));
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== "route") continue;
    const { path, method } = definition.route;
    const methods = table.get(path) ?? new Set();
    methods.add(method.toUpperCase());
    if (method === "get") methods.add("HEAD");
    table.set(path, methods);
  }
  return Array.from(table, ([path, methods]) => ({ pattern: patternOf(path), methods }));
}

/**
 * Matches the addresses of a route as the OpenAPI description writes it: `{name}` is one segment, `{path}` one or more.
 */
export function patternOf(path: string): RegExp {
  const escaped = path.replaceAll(/[.*+?^$()|[\]\\]/g, String.raw`\$&`);
  const pattern = escaped.replaceAll(/\{([^}]+)\}/g, (_, name: string) => (name === "path" ? ".+" : "[^/]+"));
  return new RegExp(`^${pattern}$`);
}
