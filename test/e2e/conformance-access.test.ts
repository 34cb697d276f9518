import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SCOPES } from "../../shared/api/tokens.ts";
import { startConformanceWorld } from "../support/conformance-world.ts";
import { ROUTE_CASES, UNDESCRIBED_PATHS } from "../support/route-cases.ts";
import type { RouteCase, RouteRequest } from "../support/route-requests.ts";

// Started here, since the rows below are the routes that this very deployment describes.
const world = await startConformanceWorld(SCOPES);
const { worker } = world;
afterAll(() => world.close());

const document = (await (await fetch(`${worker.url}/openapi.json`)).json()) as {
  paths: Record<string, Record<string, { security?: unknown[] }>>;
};
const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(
    ([method, { security }]) => [`${method.toUpperCase()} ${path}`, { isProtected: security !== undefined }] as const,
  ),
);

/** A route that nobody has decided on takes the administrator, and fails at the first test below. */
const caseOf = (route: string): RouteCase =>
  ROUTE_CASES[route] ?? {
    needs: ["admin"],
    status: 0,
    request: () => {
      throw new Error(`${route} has no line in test/support/route-cases.ts: say there who may call it`);
    },
  };

const publicRows = routes.flatMap(([route]) => {
  const { needs, ...row } = caseOf(route);
  return needs === "public" ? [[`${route} (${row.status})`, row] as const] : [];
});
const protectedRows = routes.flatMap(([route]) => {
  const { needs, ...row } = caseOf(route);
  return needs === "public" ? [] : [[`${route} (takes ${needs.join(" or ")})`, { ...row, needs }] as const];
});

const past = () => ({ exp: Math.floor(Date.now() / 1000) - 120 });

async function send({ path, ...init }: RouteRequest, token?: string, method = init.method ?? "GET") {
  const headers = new Headers(init.headers);
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  const response = await fetch(worker.url + path, { ...init, method, headers, redirect: "manual" });
  const text = await response.text();
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json") === true;
  const code = isProblem && text !== "" ? (JSON.parse(text) as { code: string }).code : "";
  return { status: response.status, code, text, challenge: response.headers.get("www-authenticate"), response };
}

/** HEAD is let in where GET is, and nowhere else. */
const methodsOf = ({ method = "GET" }: RouteRequest) => (method === "GET" ? ["GET", "HEAD"] : [method]);

/** Sends what must be refused, with each of the tokens, and sees that it changed nothing and was told nothing. */
async function refused(
  request: RouteRequest,
  presented: readonly (string | undefined)[],
  status: number,
  code: "unauthorized" | "invalid-token" | "insufficient-scope",
) {
  const before = await world.snapshot();
  for (const [index, token] of presented.entries()) {
    for (const method of methodsOf(request)) {
      const answer = await send(request, token, method);
      const at = `token ${index}, ${method}`;
      expect([at, answer.status, answer.code]).toEqual([at, status, method === "HEAD" ? "" : code]);
      expect(answer.response.headers.get("cache-control")).toBe("no-store");
      expect(answer.response.headers.get("etag")).toBeNull();
      expect(answer.challenge).toMatch(CHALLENGES[code]);
    }
  }
  expect(await world.snapshot()).toBe(before);
}

/** RFC 6750, section 3. */
const CHALLENGES = {
  unauthorized: /^Bearer realm="edgefuse"$/,
  "invalid-token": /^Bearer realm="edgefuse", error="invalid_token"$/,
  "insufficient-scope": /^Bearer realm="edgefuse", error="insufficient_scope", scope="[a-z ]+"$/,
};

describe("the table", () => {
  it("has a row for every route of the OpenAPI document, and no other", () => {
    expect(Object.keys(ROUTE_CASES).toSorted()).toEqual(routes.map(([route]) => route).toSorted());
    expect(routes.length).toBeGreaterThan(60);
  });

  it.each(routes)("agrees with the document on whether %s takes a token", (route, { isProtected }) => {
    expect(caseOf(route).needs !== "public").toBe(isProtected);
  });
});

describe("without a token", () => {
  it.each(protectedRows)("%s: 401", async (_, { request }) => {
    await refused(await request(world), [undefined], 401, "unauthorized");
  });
});

describe("with every scope but the right ones, and with each of them alone,", () => {
  it.each(protectedRows)("%s: 403", async (_, { needs, request }) => {
    const wrong = SCOPES.filter((scope) => !needs.includes(scope) && scope !== "admin");
    const bearers = [wrong, ...wrong.map((scope) => [scope])].map((scopes) => world.token(...scopes));
    const identities = wrong.map((scope) => world.oidc(scope));
    const presented = await Promise.all([...bearers, ...identities]);
    await refused(await request(world), presented, 403, "insufficient-scope");
  });
});

describe("with an OpenID Connect token that had every right and has expired", () => {
  it.each(protectedRows)("%s: 401", async (_, { needs, request }) => {
    const scopes = new Set([...needs, "admin" as const]);
    const presented = await Promise.all([...scopes].map((scope) => world.oidc(scope, past())));
    await refused(await request(world), presented, 401, "invalid-token");
  });
});

describe("with bearer tokens that had every right, of which one has expired and one was revoked,", () => {
  const over: string[] = [];
  beforeAll(async () => {
    for (const change of ["expires_at = ?1", "revoked_at = ?1"]) {
      const { id, token } = await world.client.tokens.create({ name: "was good", scopes: [...SCOPES] });
      await worker.environment.CATALOG.prepare(`UPDATE tokens SET ${change} WHERE id = ?2`)
        .bind(new Date(Date.now() - 1).toISOString(), id)
        .run();
      over.push(token);
    }
  });

  it.each(protectedRows)("%s: 401", async (_, { request }) => {
    await refused(await request(world), over, 401, "invalid-token");
  });
});

describe("with the right token, whichever it is,", () => {
  it.each(protectedRows)("%s: let in", async (_, { needs, status, request }) => {
    for (const scope of new Set([...needs, "admin" as const])) {
      for (const token of [await world.token(scope), await world.oidc(scope)]) {
        const made = await request(world);
        for (const method of methodsOf(made).toReversed()) {
          const answer = await send(made, token, method);
          expect([scope, method, answer.status, answer.text], answer.text.slice(0, 500)).toEqual([
            scope,
            method,
            status,
            expect.any(String),
          ]);
        }
      }
    }
    const made = await request(world);
    expect((await send(made, worker.token)).status).toBe(status);
  });
});

describe("public, whatever is presented,", () => {
  it.each(publicRows)("%s: let in", async (_, { status, request }) => {
    const presented = [
      undefined,
      ...["x", "hf_foreign", `ef_${"A".repeat(43)}`, "a.b.c"],
      await world.oidc("read", past()),
      ...(await Promise.all(SCOPES.map((scope) => world.token(scope)))),
    ];
    const first = await send(await request(world));
    for (const token of presented) {
      const made = await request(world);
      for (const method of methodsOf(made)) {
        const answer = await send(made, token, method);
        expect([token, method, answer.status]).toEqual([token, method, status]);
        if (method !== "HEAD" && status < 400) expect(answer.text).toBe(first.text);
        expect(answer.response.headers.get("cache-control")).toBe(first.response.headers.get("cache-control"));
      }
    }
  });

  it.each(UNDESCRIBED_PATHS)("GET %s: 200", async (path) => {
    for (const token of [undefined, "x", await world.oidc("read", past()), await world.token("read")]) {
      for (const method of ["GET", "HEAD"]) expect((await send({ path }, token, method)).status).toBe(200);
    }
  });
});

describe("addresses that are none", () => {
  it.each(["/v1/secrets", "/v1/tokens/", "/v1", "/admin", "/models", "/.edge/x", "/v1//tokens", "/V1/tokens"])(
    "%s is not there for anyone, the administrator included",
    async (path) => {
      for (const token of [undefined, worker.token]) {
        expect(await send({ path }, token)).toMatchObject({ status: 404, code: "not-found" });
      }
    },
  );

  it.each(routes)("%s takes no method that the document does not name", async (route) => {
    const path = (await caseOf(route).request(world)).path;
    for (const method of ["PATCH", "PROPFIND"]) {
      expect((await send({ path }, worker.token, method)).status).toBe(405);
    }
  });
});
