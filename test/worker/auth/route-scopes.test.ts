import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { compileRoutes, requirementsOf, ROUTE_SCOPES } from "../../../worker/auth/route-scopes.ts";
import { expandScopes, SCOPES } from "../../../worker/auth/scopes.ts";

const worker = (exports as unknown as { default: { fetch: typeof fetch } }).default;

describe("scopes", () => {
  it("imply nothing, but for admin, which implies all", () => {
    for (const scope of SCOPES) {
      expect([...expandScopes([scope])]).toEqual(scope === "admin" ? [...SCOPES] : [scope]);
    }
    expect(expandScopes([]).size).toBe(0);
  });
});

describe("the table of routes and scopes", () => {
  it("has a line for every route of the API, and no other for /v1", async () => {
    const answer = await worker.fetch(new Request("https://edgefuse.example/openapi.json"));
    const { paths } = await answer.json<{ paths: Record<string, Record<string, unknown>> }>();
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes.filter((route) => !(route in ROUTE_SCOPES))).toEqual([]);
    const known = new Set(routes);
    expect(Object.keys(ROUTE_SCOPES).filter((route) => / \/v1\//.test(route) && !known.has(route))).toEqual([]);
    for (const [route, requirement] of Object.entries(ROUTE_SCOPES)) {
      expect([route, requirement === "public"]).toEqual([route, !/ \/v1\//.test(route)]);
    }
  });

  it("refuses a route that it does not know", () => {
    for (const [method, path] of [
      ["GET", "/v1/secrets"],
      ["PATCH", "/v1/tokens"],
      ["POST", "/healthz"],
      ["get", "/healthz"],
      ["OPTIONS", "/v1/tokens"],
      ["GET", "/v1/checkpoints/a/b"],
      ["GET", "/healthz/"],
    ] as const) {
      expect(() => requirementsOf(method, path), `${method} ${path}`).toThrow(
        expect.objectContaining({ code: "forbidden" }),
      );
    }
    expect(requirementsOf("HEAD", "/healthz")).toEqual(["public"]);
  });

  it("makes an address that fits several routes satisfy each of them", () => {
    const table = compileRoutes({ "GET /a/{x}": "public", "GET /a/b": ["read"], "GET /{y}/b": ["fuse"] });
    expect(requirementsOf("GET", "/a/b", table)).toEqual(["public", ["read"], ["fuse"]]);
    expect(requirementsOf("GET", "/a/c", table)).toEqual(["public"]);
  });
});
